"""Documents as tables."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from shop.documents import CANCELLED, CONFIRMED, Activity, History, Offer, Order, Product
from shop.screen import local_time, printable, table

PRICING, INVENTORY = "PRICING", "INVENTORY"
"""Where price and stock come from when nothing stands in for them."""
_STYLES = {CONFIRMED: "green", CANCELLED: "red", "cancelling": "red"}


def status(name: str) -> Text:
    return Text(printable(name), style=_STYLES.get(name, "yellow"))


def products(found: Sequence[Product]) -> RenderableType:
    if not found:
        return Text("Nothing fits.")
    rows = [(each.sku, each.name, each.category, str(each.list_price)) for each in found]
    return table(("SKU", "product", "category", "price"), rows, right=["price"])


def offer(found: Offer) -> RenderableType:
    """A product, with what is not known today marked as such."""
    price = Text(str(found.price), style="bold")
    if found.price.source != PRICING:
        price.append("  list price: promotions are out of reach now", style="yellow")
    elif found.price.promotion:
        price.append(printable(f"  instead of {found.list_price} ({found.price.promotion})"), style="green")
    stock = Text(f"{found.stock.available} in stock")
    if found.stock.available is None or found.stock.source != INVENTORY:
        stock = Text("unknown now: inventory is out of reach", style="yellow")
    elif not found.stock.available:
        stock = Text("sold out", style="red")
    made = Table.grid(padding=(0, 2))
    for name, value in (
        ("SKU", Text(printable(found.sku))),
        ("product", Text(printable(found.name), style="bold")),
        ("", Text(printable(found.description))),
        ("category", Text(printable(found.category))),
        ("price", price),
        ("stock", stock),
    ):
        made.add_row(Text(name, style="dim"), value)
    return made


def orders(found: Sequence[Order]) -> RenderableType:
    if not found:
        return Text("You have no orders yet: python -m shop browse")
    rows = [
        (each.id, status(each.status), str(each.total), sum_of_lines(each), local_time(each.placed_at))
        for each in found
    ]
    return table(("order", "status", "total", "products", "placed"), rows, right=["total"])


def sum_of_lines(order: Order) -> str:
    """`2 x TEA-GREEN-100, 1 x MUG-GLASS-250`."""
    return ", ".join(f"{line.quantity} x {line.sku}" for line in order.lines)


def order(one: Order) -> RenderableType:
    """The whole order: what it costs and why, and what became of it."""
    head = Text.assemble("Order ", (printable(one.id), "bold"), "  ", status(one.status))
    parts: list[RenderableType] = [head, _bill(one)]
    if one.priced_by != "promotions":
        parts.append(Text("At list prices: promotions were out of reach when it was placed.", style="yellow"))
    parts.append(Text(printable(f"Paid by {one.payment_method}, placed {local_time(one.placed_at)}.")))
    if one.cancellation:
        parts.append(Text(cancelled_because(one), style="red"))
    return Group(*parts)


def cancelled_because(one: Order) -> str:
    """One line: `Cancelled (payment_declined): the card was declined`."""
    if one.cancellation is None:
        return "Cancelled."
    reason = f": {one.cancellation.reason}" if one.cancellation.reason else ""
    return printable(f"Cancelled ({one.cancellation.cause}){reason}")


def _bill(one: Order) -> Table:
    made = table(
        ("SKU", "product", "quantity", "each", "cost"),
        [(line.sku, line.name or "", str(line.quantity), str(line.unit_price), str(line.cost)) for line in one.lines],
        right=["quantity", "each", "cost"],
    )
    made.show_footer = True
    for discount in one.discounts:
        made.add_row("", Text(printable(discount.label), style="green"), "", "", f"-{discount.amount}")
    made.columns[0].footer = "total"
    made.columns[-1].footer = str(one.total)
    return made


def history(past: History) -> Table:
    begun = past.items[0].occurred_at if past.items else None
    rows = [
        (
            each.type,
            local_time(each.occurred_at),
            f"+{(each.occurred_at - begun).total_seconds():.2f} s" if begun else "",
        )
        for each in past.items
    ]
    return table(("happened", "at", "after"), rows, right=["after"])


def activity(entries: Sequence[Activity]) -> RenderableType:
    if not entries:
        return Text("Nothing has happened yet.")
    return table(("at", "what happened"), [(local_time(each.occurred_at), each.text) for each in entries])
