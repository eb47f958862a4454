"""What each message makes of an order: the event that follows, or None where the message does not fit the state.

What does not fit is late, or a copy: it changes nothing. Compensation runs backwards, money first, then stock:
cancelling waits for the money, cancelled for the stock.
"""

from datetime import datetime, timedelta

from chassis.money import Money
from chassis.pacing import exponential_backoff

from orders.domain.order import (
    Cancellation,
    CancellationBegun,
    Cause,
    Order,
    OrderCancelled,
    OrderConfirmed,
    OrderEvent,
    OrderSettled,
    PaymentCaptured,
    Status,
    StockReserved,
)

TIMEOUTS = {
    # Inventory answers from its own database, in milliseconds. Five minutes outlast its deployment or a fail-over of
    # its database, and a customer who still watches the order.
    Status.PLACED: timedelta(minutes=5),
    # Payments gives up on a silent provider after 20 s and declines; the rest is for the same outages.
    Status.RESERVED: timedelta(minutes=5),
    # As for a new order: inventory alone has to answer.
    Status.PAID: timedelta(minutes=5),
}
REPEAT_FIRST_SECONDS = 5.0
"""Longer than a healthy answer takes, by a wide margin."""
REPEAT_MAX_SECONDS = 60.0
"""How much longer than the outage of the other service a customer waits for the money at most."""


class NotCancellable(Exception):
    def __init__(self) -> None:
        super().__init__("The order is confirmed: it can no longer be cancelled.")


def stock_reserved(order: Order, expires_at: datetime) -> OrderEvent | None:
    return StockReserved(expires_at=expires_at) if order.status is Status.PLACED else None


def stock_rejected(order: Order, reason: str) -> OrderEvent | None:
    """Nothing is left: at once, or because the reservation had expired before the payment was captured."""
    if order.status in (Status.PLACED, Status.PAID):
        return _cancelled(order, Cause.OUT_OF_STOCK, reason)
    return None


def stock_committed(order: Order) -> OrderEvent | None:
    return OrderConfirmed() if order.status is Status.PAID else None


def stock_released(order: Order) -> OrderEvent | None:
    return OrderSettled() if order.status is Status.CANCELLED and not order.settled else None


def payment_captured(order: Order, payment_id: str, amount: Money) -> OrderEvent | None:
    return PaymentCaptured(payment_id=payment_id, amount=amount) if order.status is Status.RESERVED else None


def payment_declined(order: Order, reason: str) -> OrderEvent | None:
    if order.status is not Status.RESERVED:
        return None
    return OrderCancelled(cancellation=Cancellation(cause=Cause.PAYMENT_DECLINED, reason=reason))


def payment_undone(order: Order) -> OrderEvent | None:
    """The payment is refunded; or it is void, and nothing ever was or will be captured."""
    if order.status is not Status.CANCELLING or order.cancellation is None:
        return None
    return OrderCancelled(cancellation=order.cancellation)


def cancel(order: Order, reason: str | None) -> OrderEvent | None:
    """The customer wants it no more. To say so again changes nothing. Raises NotCancellable."""
    if order.status is Status.CONFIRMED:
        raise NotCancellable
    return _cancelled(order, Cause.CUSTOMER, reason)


def time_out(order: Order) -> OrderEvent | None:
    """Nobody has answered in time."""
    return _cancelled(order, Cause.TIMEOUT, None)


def deadline(order: Order, now: datetime) -> datetime | None:
    """When to do something about an order that has been in its state since `now`; None for one that has ended."""
    if order.ended:
        return None
    return now + TIMEOUTS.get(order.status, repeat_after(1))


def repeat_after(attempt: int) -> timedelta:
    """How long to wait for the answer after the fact was published `attempt` times (1, 2, ...)."""
    seconds = exponential_backoff(attempt, first_seconds=REPEAT_FIRST_SECONDS, max_seconds=REPEAT_MAX_SECONDS)
    return timedelta(seconds=seconds)


def _cancelled(order: Order, cause: Cause, reason: str | None) -> OrderEvent | None:
    cancellation = Cancellation(cause=cause, reason=reason)
    match order.status:
        case Status.PLACED:
            # Payment is asked for once stock is reserved: nothing can have been paid.
            return OrderCancelled(cancellation=cancellation)
        case Status.RESERVED | Status.PAID:
            return CancellationBegun(cancellation=cancellation)
        case _:
            return None
