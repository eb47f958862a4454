"""An order on its way: placed -> reserved -> paid -> confirmed, or cancelled on any of them."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from shop.api import Api
from shop.documents import CANCELLED, FINAL, HistoryEntry, Order
from shop.screen import Screen, local_time, printable
from shop.views import cancelled_because, status

WAY = ("placed", "reserved", "paid", "confirmed")
POLL_SECONDS = 0.3
LATER_SECONDS = 2.0
"""Between two looks at an order that has not moved for PATIENCE_SECONDS."""
PATIENCE_SECONDS = 15.0


@dataclass(frozen=True)
class Progress:
    """An order as it stands, and what has happened to it so far."""

    order: Order
    past: tuple[HistoryEntry, ...]

    @property
    def final(self) -> bool:
        return self.order.status in FINAL

    @property
    def ahead(self) -> tuple[str, ...]:
        """The steps that are still to come, as far as one can tell."""
        if self.final:
            return ()
        done = {step(each) for each in self.past}
        if "cancelling" in done or self.order.status == "cancelling":
            return (CANCELLED,)
        return tuple(name for name in WAY if name not in done)


def step(entry: HistoryEntry) -> str:
    """`placed` of `order.placed`."""
    return entry.type.rpartition(".")[2]


def watched(api: Api, order_id: str) -> Iterator[Progress]:
    """The order now and each time that it has moved, up to its final state."""
    seen, moved_at = -1, time.monotonic()
    while True:
        progress = Progress(api.order(order_id), tuple(api.history(order_id).items))
        if len(progress.past) != seen or progress.final:
            seen, moved_at = len(progress.past), time.monotonic()
            yield progress
        if progress.final:
            return
        time.sleep(POLL_SECONDS if time.monotonic() - moved_at < PATIENCE_SECONDS else LATER_SECONDS)


def follow(api: Api, order_id: str, screen: Screen) -> Order:
    """Shows the way of the order until it ends: live in a terminal, else a line for each step. Returns the order."""
    if screen.live:
        return _live(watched(api, order_id), screen.out)
    told = 0
    for progress in watched(api, order_id):
        if not screen.as_json:
            for entry in progress.past[told:]:
                screen.out.print(_line(entry, progress.past[0]))
            told = len(progress.past)
    _say_the_end(progress.order, screen)
    return progress.order


def _live(movements: Iterator[Progress], out: Console) -> Order:
    with Live(console=out, refresh_per_second=10, transient=False) as live:
        for progress in movements:
            live.update(_picture(progress))
    if progress.order.status == CANCELLED:
        out.print(Text(cancelled_because(progress.order), style="red"))
    return progress.order


def _say_the_end(order: Order, screen: Screen) -> None:
    if screen.as_json:
        screen.show(order)
    elif order.status == CANCELLED:
        screen.out.print(Text(cancelled_because(order)))


def _line(entry: HistoryEntry, first: HistoryEntry) -> Text:
    return Text(printable(f"{step(entry):<10} {local_time(entry.occurred_at)}  {_after(entry, first)}"))


def _after(entry: HistoryEntry, first: HistoryEntry) -> str:
    return f"+{(entry.occurred_at - first.occurred_at).total_seconds():.2f} s"


def _picture(progress: Progress) -> RenderableType:
    order = progress.order
    made = Table.grid(padding=(0, 2))
    for entry in progress.past:
        name = step(entry)
        mark = Text("✗", style="red") if name.startswith("cancel") else Text("✓", style="green")
        made.add_row(mark, status(name), f"{local_time(entry.occurred_at)}  {_after(entry, progress.past[0])}")
    for position, name in enumerate(progress.ahead):
        made.add_row(Spinner("dots") if position == 0 else "", Text(name, style="dim"), "")
    return Group(Text.assemble("Order ", (printable(order.id), "bold"), f"  {order.total}"), made)
