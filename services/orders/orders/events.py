"""What other services are told, and what is read of what they tell. Apart from the events of our own streams, so that
each may change without the other; `published` is the only way from one to the other.
"""

from collections.abc import Mapping
from typing import Annotated, Any, assert_never
from uuid import UUID

from chassis.messages import Event, EventData, EventReader
from chassis.money import Money
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from orders.domain import order as domain
from orders.domain.basket import MAX_LINES, MAX_QUANTITY, Discount, PaymentMethod, PricedBy, Sku
from orders.domain.order import MAX_REASON, Cause, Order, Recorded

SOURCE = "orders"

CustomerId = Annotated[str, Field(min_length=1)]


class Line(BaseModel):
    """`unit_price` is the list price of one piece."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    sku: Sku
    quantity: int = Field(ge=1, le=MAX_QUANTITY)
    unit_price: Money


class OrderPlaced(EventData):
    type = "order.placed"

    order_id: UUID
    customer_id: CustomerId
    lines: Annotated[tuple[Line, ...], Field(min_length=1, max_length=MAX_LINES)]
    discounts: tuple[Discount, ...]
    priced_by: PricedBy
    total: Money
    payment_method: PaymentMethod


class OrderReserved(EventData):
    type = "order.reserved"

    order_id: UUID
    customer_id: CustomerId
    total: Money
    payment_method: PaymentMethod


class OrderPaid(EventData):
    type = "order.paid"

    order_id: UUID
    customer_id: CustomerId


class OrderConfirmed(EventData):
    type = "order.confirmed"

    order_id: UUID
    customer_id: CustomerId
    total: Money


class OrderCancelling(EventData):
    type = "order.cancelling"

    order_id: UUID
    customer_id: CustomerId
    cause: Cause
    reason: str | None


class OrderCancelled(EventData):
    type = "order.cancelled"

    order_id: UUID
    customer_id: CustomerId
    cause: Cause
    reason: str | None


PUBLISHED: tuple[type[EventData], ...] = (
    OrderPlaced,
    OrderReserved,
    OrderPaid,
    OrderConfirmed,
    OrderCancelling,
    OrderCancelled,
)


class Read(BaseModel):
    """The part of another service's event that is needed here. It may hold more."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ProductState(Read):
    """A product as it is after the event."""

    sku: str
    name: str
    category: str
    list_price: Money
    active: bool


class OfOrder(Read):
    order_id: UUID


class StockReserved(OfOrder):
    expires_at: AwareDatetime


class Refusal(OfOrder):
    """`reason` is for people, who need no more than its beginning."""

    reason: Annotated[str, AfterValidator(lambda text: text[:MAX_REASON])]


class PaymentCaptured(OfOrder):
    payment_id: str
    amount: Money


PRODUCT = EventReader(ProductState)
OF_ORDER = EventReader(OfOrder)
STOCK_RESERVED = EventReader(StockReserved)
REFUSAL = EventReader(Refusal)
PAYMENT_CAPTURED = EventReader(PaymentCaptured)

READ: Mapping[str, EventReader[Any]] = {
    "product.added": PRODUCT,
    "product.changed": PRODUCT,
    "stock.reserved": STOCK_RESERVED,
    "stock.rejected": REFUSAL,
    "stock.committed": OF_ORDER,
    "stock.released": OF_ORDER,
    "payment.captured": PAYMENT_CAPTURED,
    "payment.declined": REFUSAL,
    "payment.refunded": OF_ORDER,
    "payment.voided": OF_ORDER,
}


def integration_event(order: Order, recorded: Recorded) -> Event | None:
    """What others are told of the event of this order; None when it is nobody else's business.

    Called again, it says the same under a new id.
    """
    data = _data(order, recorded.event)
    return None if data is None else _event(data, order, recorded)


def order_placed(order: Order, first: Recorded) -> Event:
    """What others are told of an order that begins with this event."""
    return _event(_placed(order), order, first)


def _event(data: EventData, order: Order, recorded: Recorded) -> Event:
    return data.event(
        source=SOURCE, aggregate_id=str(order.id), sequence=recorded.version, occurred_at=recorded.occurred_at
    )


def _data(order: Order, event: domain.OrderEvent) -> EventData | None:
    match event:
        case domain.OrderPlaced():
            return _placed(order)
        case domain.StockReserved():
            return OrderReserved(
                order_id=order.id,
                customer_id=order.customer_id,
                total=order.basket.total,
                payment_method=order.payment_method,
            )
        case domain.PaymentCaptured():
            return OrderPaid(order_id=order.id, customer_id=order.customer_id)
        case domain.OrderConfirmed():
            return OrderConfirmed(order_id=order.id, customer_id=order.customer_id, total=order.basket.total)
        case domain.CancellationBegun(cancellation=why):
            return OrderCancelling(order_id=order.id, customer_id=order.customer_id, cause=why.cause, reason=why.reason)
        case domain.OrderCancelled(cancellation=why):
            return OrderCancelled(order_id=order.id, customer_id=order.customer_id, cause=why.cause, reason=why.reason)
        case domain.OrderSettled():
            return None
    assert_never(event)


def _placed(order: Order) -> OrderPlaced:
    basket = order.basket
    return OrderPlaced(
        order_id=order.id,
        customer_id=order.customer_id,
        lines=tuple(Line.model_validate(line) for line in basket.lines),
        discounts=basket.discounts,
        priced_by=basket.priced_by,
        total=basket.total,
        payment_method=order.payment_method,
    )
