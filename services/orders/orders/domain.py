"""What an order is and what may happen to it: pure functions of an order and a command, no I/O.

A command returns the order as it is afterwards and the events that say what changed. Each event raises the version
by one, so that keeping the events instead of the order is only another way to store it.
"""

from collections import Counter
from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from chassis.models import RequestModel
from chassis.money import MAX_AMOUNT, Money
from pydantic import BaseModel, ConfigDict, Field

MAX_LINES = 100

Sku = Annotated[str, Field(pattern=r"^[A-Z0-9][A-Z0-9-]{0,63}$", examples=["TEA-GREEN-100"])]


class Status(StrEnum):
    PLACED = "placed"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"


class Line(RequestModel):
    """`quantity` pieces of one article, each at `unit_price`."""

    sku: Sku
    quantity: int = Field(strict=True, ge=1, le=1_000)
    unit_price: Money


Lines = Annotated[tuple[Line, ...], Field(min_length=1, max_length=MAX_LINES)]


class Order(BaseModel):
    """An order after `version` events."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    customer_id: str
    lines: Lines
    total: Money
    status: Status
    version: int
    placed_at: datetime
    cancellation_reason: str | None = None


class OrderPlaced(BaseModel):
    """Data of the event `order.placed`."""

    model_config = ConfigDict(frozen=True)
    type: ClassVar[str] = "order.placed"

    order_id: UUID
    customer_id: str
    lines: Lines
    total: Money


class OrderCancelled(BaseModel):
    """Data of the event `order.cancelled`."""

    model_config = ConfigDict(frozen=True)
    type: ClassVar[str] = "order.cancelled"

    order_id: UUID
    customer_id: str
    reason: str | None


OrderEvent = OrderPlaced | OrderCancelled
Outcome = tuple[Order, tuple[OrderEvent, ...]]


class OrderRefused(Exception):
    """An order that breaks a rule of its own, whatever else is going on."""


class RepeatedSku(OrderRefused):
    def __init__(self, sku: str) -> None:
        super().__init__(f"{sku} is on more than one line; an article has one line with its whole quantity.")


class MixedCurrencies(OrderRefused):
    def __init__(self, currencies: set[str]) -> None:
        super().__init__(f"An order has one currency; this one has {', '.join(sorted(currencies))}.")


class TotalTooLarge(OrderRefused):
    def __init__(self, amount: int) -> None:
        super().__init__(f"The total may be up to {MAX_AMOUNT}; this one is {amount}.")


class NotCancellable(Exception):
    def __init__(self, status: Status) -> None:
        super().__init__(f"The order is {status}; only a placed order can be cancelled.")


def place(*, order_id: UUID, customer_id: str, lines: Lines, placed_at: datetime) -> Outcome:
    """A new order. Raises an `OrderRefused`."""
    order = Order(
        id=order_id,
        customer_id=customer_id,
        lines=lines,
        total=total_of(lines),
        status=Status.PLACED,
        version=1,
        placed_at=placed_at,
    )
    return order, (OrderPlaced(order_id=order.id, customer_id=customer_id, lines=order.lines, total=order.total),)


def cancel(order: Order, reason: str | None) -> Outcome:
    """The order, cancelled; one that already is stays as it is, with its first reason. Raises NotCancellable."""
    if order.status is Status.CANCELLED:
        return order, ()
    if order.status is not Status.PLACED:
        raise NotCancellable(order.status)
    cancelled = order.model_copy(
        update={"status": Status.CANCELLED, "cancellation_reason": reason, "version": order.version + 1}
    )
    return cancelled, (OrderCancelled(order_id=order.id, customer_id=order.customer_id, reason=reason),)


def as_placed(order: Order) -> Order:
    """The order as it was when it was placed, whatever has happened to it since."""
    return order.model_copy(update={"status": Status.PLACED, "cancellation_reason": None, "version": 1})


def total_of(lines: Lines) -> Money:
    """The price of all lines together. Raises an `OrderRefused`."""
    sku, count = Counter(line.sku for line in lines).most_common(1)[0]
    if count > 1:
        raise RepeatedSku(sku)
    currencies = {line.unit_price.currency for line in lines}
    if len(currencies) > 1:
        raise MixedCurrencies(currencies)
    amount = sum(line.quantity * line.unit_price.amount for line in lines)
    if amount > MAX_AMOUNT:
        raise TotalTooLarge(amount)
    return Money(amount=amount, currency=currencies.pop())
