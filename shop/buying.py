"""Commands: orders, and what became of them."""

import re
import sys
from typing import Annotated, Any

import typer

from shop import following, views
from shop.command_context import AsJson, CommandContext, Limit, Stack, command_context
from shop.documents import CONFIRMED, Order
from shop.errors import ShopError, Unreachable
from shop.outputs import LOCAL
from shop.sent_orders import KEY_HOURS

LAST = "last"

OrderId = Annotated[
    str, typer.Argument(help="The order's id, or `last` for your newest one.", metavar="ORDER", show_default=False)
]


def order(
    lines: Annotated[
        list[str],
        typer.Argument(help="What you want, and how many of it.", metavar="SKU[=QUANTITY]", show_default=False),
    ],
    pay: Annotated[str, typer.Option("--pay", help="How you pay.", metavar="METHOD")] = "card",
    coupon: Annotated[
        list[str] | None, typer.Option("--coupon", help="A coupon; several when repeated.", metavar="CODE")
    ] = None,
    follow: Annotated[
        bool | None,
        typer.Option(
            "--follow/--no-follow", help="Watch it until it ends. The default in a terminal.", show_default=False
        ),
    ] = None,
    stack: Stack = LOCAL,
    as_json: AsJson = False,
) -> None:
    """Place an order.

    When the connection breaks, give the same command again: it does not order twice. Equal commands that are given
    at once are one order, too.
    """
    wanted = {"lines": _lines(lines), "payment_method": pay, "coupons": coupon or []}
    with command_context(stack, as_json=as_json) as context:
        followed = context.screen.live if follow is None else follow
        placed = _placed(context, wanted, shown=not (as_json and followed))
        if followed:
            _follow(context, placed.id)
        else:
            context.screen.note(f"See how it goes on: python -m shop follow {placed.id}")


def orders(limit: Limit = 20, stack: Stack = LOCAL, as_json: AsJson = False) -> None:
    """List your orders, newest first."""
    with command_context(stack, as_json=as_json) as context:
        found = context.api.orders(limit)
        context.screen.show(found, views.orders(found))


def show_order(order_id: OrderId, stack: Stack = LOCAL, as_json: AsJson = False) -> None:
    """Show an order: what it costs, and everything that happened to it."""
    with command_context(stack, as_json=as_json) as context:
        number = _number(context, order_id)
        found, past = context.api.order(number), context.api.history(number)
        both = found.model_dump(mode="json") | {"history": past.model_dump(mode="json")["items"]}
        context.screen.show(both, views.order(found), views.history(past))


def follow(order_id: OrderId, stack: Stack = LOCAL, as_json: AsJson = False) -> None:
    """Watch an order until it ends: status 0 when it is confirmed, 1 when it is cancelled."""
    with command_context(stack, as_json=as_json) as context:
        _follow(context, _number(context, order_id))


def cancel(
    order_id: OrderId,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; the shop keeps it.", metavar="TEXT")] = None,
    stack: Stack = LOCAL,
    as_json: AsJson = False,
) -> None:
    """Cancel an order that is not confirmed yet. What was paid comes back."""
    with command_context(stack, as_json=as_json) as context:
        cancelled = context.api.cancel(_number(context, order_id), reason)
        context.screen.say(cancelled, f"Order {cancelled.id} is {cancelled.status}.")


def log(limit: Limit = 20, stack: Stack = LOCAL, as_json: AsJson = False) -> None:
    """Read what happened to you and your orders, newest first."""
    with command_context(stack, as_json=as_json) as context:
        entries = context.api.activity(limit)
        context.screen.show(entries, views.activity(entries))


def _placed(context: CommandContext, wanted: dict[str, Any], *, shown: bool) -> Order:
    """Places the order and shows it. It has its answer when the person has seen it."""
    again = f"the same command again does not order twice (for {KEY_HOURS} hours)"
    with context.sent_orders.sending(context.session.email, wanted) as key:
        try:
            placed, before = context.api.place(wanted, key)
        except Unreachable as error:
            raise Unreachable(f"{error}; {again}") from error
        except KeyboardInterrupt:
            context.screen.note(f"It may be ordered all the same; {again}.")
            raise
        if before:
            context.screen.note("This command had ordered this already: it is the same order, not another one.")
        if shown:
            context.screen.show(placed, views.order(placed))
        else:
            context.screen.note(f"This is order {placed.id}.")
    return placed


def _follow(context: CommandContext, order_id: str) -> None:
    try:
        end: Order = following.follow(context.api, order_id, context.screen)
    except KeyboardInterrupt:
        context.screen.note(f"The order goes on without you: python -m shop follow {order_id}")
        raise
    if end.status != CONFIRMED:
        sys.exit(1)


def _number(context: CommandContext, order_id: str) -> str:
    if order_id != LAST:
        return order_id
    newest = context.api.orders(limit=1)
    if not newest:
        raise ShopError("you have no orders yet: python -m shop browse")
    return newest[0].id


def _lines(words: list[str]) -> list[dict[str, str | int]]:
    """The lines of an order: a product once, however often it is named."""
    quantities: dict[str, int] = {}
    for word in words:
        parts = re.fullmatch(r"([A-Za-z0-9-]+)(?:=([0-9]{1,9}))?", word)
        if parts is None or parts[2] == "0":
            raise typer.BadParameter(f"{word!r} is not SKU or SKU=QUANTITY, as in TEA-GREEN-100=2")
        sku = parts[1].upper()
        quantities[sku] = quantities.get(sku, 0) + int(parts[2] or 1)
    return [{"sku": sku, "quantity": quantity} for sku, quantity in quantities.items()]
