"""An order is what its events have made of it: `after` is one step of the fold, `replay` all of them.

These events are the service's own and are kept for ever. What other services are told is in orders/events.py.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from chassis.money import Money
from pydantic import AwareDatetime, BaseModel, ConfigDict

from orders.domain.basket import Basket, PaymentMethod

MAX_REASON = 500


class Status(StrEnum):
    PLACED = "placed"
    RESERVED = "reserved"
    PAID = "paid"
    CONFIRMED = "confirmed"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"


class Cause(StrEnum):
    """Why an order is cancelled."""

    CUSTOMER = "customer"
    OUT_OF_STOCK = "out_of_stock"
    PAYMENT_DECLINED = "payment_declined"
    TIMEOUT = "timeout"


class Cancellation(BaseModel):
    """`reason` is for people: the customer's own words, or those of whoever refused."""

    model_config = ConfigDict(frozen=True)

    cause: Cause
    reason: str | None


class _Event(BaseModel):
    # What does not fit is not repeated in the error: it may be a person's words.
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class OrderPlaced(_Event):
    customer_id: str
    basket: Basket
    payment_method: PaymentMethod


class StockReserved(_Event):
    expires_at: AwareDatetime


class PaymentCaptured(_Event):
    payment_id: str
    amount: Money


class OrderConfirmed(_Event):
    """The stock has left: nothing can be undone any more."""


class CancellationBegun(_Event):
    """Money may have been taken: it must come back before the stock is released."""

    cancellation: Cancellation


class OrderCancelled(_Event):
    """No money is held. Stock may still be."""

    cancellation: Cancellation


class OrderSettled(_Event):
    """The cancelled order holds neither money nor stock."""


OrderEvent = (
    OrderPlaced | StockReserved | PaymentCaptured | OrderConfirmed | CancellationBegun | OrderCancelled | OrderSettled
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Recorded:
    """An event in the stream of one order; versions are 1, 2, 3 ... without a gap."""

    version: int
    occurred_at: datetime
    event: OrderEvent


class Order(BaseModel):
    """An order after `version` events."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    id: UUID
    customer_id: str
    basket: Basket
    payment_method: PaymentMethod
    placed_at: AwareDatetime
    status: Status
    version: int
    cancellation: Cancellation | None = None
    settled: bool = False

    @property
    def ended(self) -> bool:
        """Nothing can change it any more."""
        return self.status is Status.CONFIRMED or self.settled


def placed(order_id: UUID, first: Recorded) -> Order:
    """The order as it was when it was placed. Raises ValueError for another event."""
    event = first.event
    if not isinstance(event, OrderPlaced):
        raise ValueError(f"order {order_id} begins with {type(event).__name__}")
    return Order(
        id=order_id,
        customer_id=event.customer_id,
        basket=event.basket,
        payment_method=event.payment_method,
        placed_at=first.occurred_at,
        status=Status.PLACED,
        version=first.version,
    )


def after(order: Order, recorded: Recorded) -> Order:
    """The order after its next event. Raises ValueError when that is not the next one."""
    if recorded.version != order.version + 1:
        raise ValueError(f"order {order.id} is at {order.version}; its next event cannot be {recorded.version}")
    match recorded.event:
        case OrderPlaced():
            raise ValueError(f"order {order.id} is placed for a second time")
        case StockReserved():
            change: dict[str, object] = {"status": Status.RESERVED}
        case PaymentCaptured():
            change = {"status": Status.PAID}
        case OrderConfirmed():
            change = {"status": Status.CONFIRMED}
        case CancellationBegun(cancellation=cancellation):
            change = {"status": Status.CANCELLING, "cancellation": cancellation}
        case OrderCancelled(cancellation=cancellation):
            change = {"status": Status.CANCELLED, "cancellation": cancellation}
        case OrderSettled():
            change = {"settled": True}
    return order.model_copy(update=change | {"version": recorded.version})


def replay(order_id: UUID, stream: Iterable[Recorded]) -> Order:
    """The order after all events of its stream. Raises ValueError for a stream that is empty or has a gap."""
    events = iter(stream)
    first = next(events, None)
    if first is None:
        raise ValueError(f"order {order_id} has no events")
    order = placed(order_id, first)
    for recorded in events:
        order = after(order, recorded)
    return order
