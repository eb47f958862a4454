"""What each message makes of an order in each state, without any I/O."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from chassis.money import Money
from hypothesis import given
from hypothesis import strategies as st
from orders.domain import order as orders
from orders.domain import saga
from orders.domain.basket import Basket, Line, PricedBy
from orders.domain.order import (
    Cancellation,
    CancellationBegun,
    Cause,
    Order,
    OrderCancelled,
    OrderConfirmed,
    OrderEvent,
    OrderPlaced,
    OrderSettled,
    PaymentCaptured,
    Recorded,
    Status,
    StockReserved,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PRICE = Money(amount=250, currency="EUR")
BASKET = Basket(
    lines=(Line(sku="TEA", name="Green tea", quantity=1, unit_price=PRICE),), total=PRICE, priced_by=PricedBy.LIST
)
PLACED = OrderPlaced(customer_id="ada", basket=BASKET, payment_method="card")
RESERVED = StockReserved(expires_at=NOON)
CAPTURED = PaymentCaptured(payment_id="p1", amount=PRICE)
WHY = Cancellation(cause=Cause.CUSTOMER, reason="first")
BEGUN = CancellationBegun(cancellation=WHY)
CANCELLED = OrderCancelled(cancellation=WHY)


def made_of(*events: OrderEvent) -> Order:
    stream = [Recorded(version=version, occurred_at=NOON, event=event) for version, event in enumerate(events, start=1)]
    return orders.replay(UUID(int=1), stream)


STATES: Mapping[str, Order] = {
    "placed": made_of(PLACED),
    "reserved": made_of(PLACED, RESERVED),
    "paid": made_of(PLACED, RESERVED, CAPTURED),
    "confirmed": made_of(PLACED, RESERVED, CAPTURED, OrderConfirmed()),
    "cancelling": made_of(PLACED, RESERVED, CAPTURED, BEGUN),
    "cancelled": made_of(PLACED, CANCELLED),
    "settled": made_of(PLACED, CANCELLED, OrderSettled()),
}
MESSAGES: Mapping[str, Callable[[Order], OrderEvent | None]] = {
    "stock.reserved": partial(saga.stock_reserved, expires_at=NOON),
    "stock.rejected": partial(saga.stock_rejected, reason="none left"),
    "stock.committed": saga.stock_committed,
    "stock.released": saga.stock_released,
    "payment.captured": partial(saga.payment_captured, payment_id="p1", amount=PRICE),
    "payment.declined": partial(saga.payment_declined, reason="no money"),
    "payment.refunded or payment.voided": saga.payment_undone,
    "customer": partial(saga.cancel, reason="again"),
    "time-out": saga.time_out,
}


def cancelled(cause: Cause, reason: str | None) -> OrderCancelled:
    return OrderCancelled(cancellation=Cancellation(cause=cause, reason=reason))


def begun(cause: Cause, reason: str | None) -> CancellationBegun:
    return CancellationBegun(cancellation=Cancellation(cause=cause, reason=reason))


FOLLOWS: Mapping[tuple[str, str], OrderEvent | type[Exception]] = {
    ("placed", "stock.reserved"): RESERVED,
    ("placed", "stock.rejected"): cancelled(Cause.OUT_OF_STOCK, "none left"),
    ("placed", "customer"): cancelled(Cause.CUSTOMER, "again"),
    ("placed", "time-out"): cancelled(Cause.TIMEOUT, None),
    ("reserved", "payment.captured"): CAPTURED,
    ("reserved", "payment.declined"): cancelled(Cause.PAYMENT_DECLINED, "no money"),
    ("reserved", "customer"): begun(Cause.CUSTOMER, "again"),
    ("reserved", "time-out"): begun(Cause.TIMEOUT, None),
    ("paid", "stock.committed"): OrderConfirmed(),
    ("paid", "stock.rejected"): begun(Cause.OUT_OF_STOCK, "none left"),
    ("paid", "customer"): begun(Cause.CUSTOMER, "again"),
    ("paid", "time-out"): begun(Cause.TIMEOUT, None),
    ("confirmed", "customer"): saga.NotCancellable,
    ("cancelling", "payment.refunded or payment.voided"): CANCELLED,
    ("cancelled", "stock.released"): OrderSettled(),
}
"""Of every other pair nothing follows."""


@pytest.mark.parametrize("state", STATES)
def test_in_each_state_each_message_has_its_effect_and_no_other(state: str) -> None:
    for message, decide in MESSAGES.items():
        expected = FOLLOWS.get((state, message))

        if isinstance(expected, type):
            with pytest.raises(expected):
                decide(STATES[state])
        else:
            assert decide(STATES[state]) == expected, message


def test_a_message_that_comes_twice_has_its_effect_once() -> None:
    for state, message in [pair for pair, event in FOLLOWS.items() if not isinstance(event, type)]:
        before = STATES[state]
        happened = MESSAGES[message](before)
        assert happened is not None
        order = orders.after(before, Recorded(version=before.version + 1, occurred_at=NOON, event=happened))

        assert MESSAGES[message](order) is None, f"{message} in {state}"


@given(st.lists(st.sampled_from(list(MESSAGES)), max_size=15))
def test_no_sequence_of_messages_leads_back_or_out_of_an_end(messages: list[str]) -> None:
    rank = [Status.PLACED, Status.RESERVED, Status.PAID, Status.CONFIRMED, Status.CANCELLING, Status.CANCELLED]
    order = STATES["placed"]
    for message in messages:
        try:
            happened = MESSAGES[message](order)
        except saga.NotCancellable:
            assert order.status is Status.CONFIRMED
            continue
        assert happened is None or not order.ended
        if happened is not None:
            before = order
            order = orders.after(order, Recorded(version=order.version + 1, occurred_at=NOON, event=happened))
            assert rank.index(order.status) > rank.index(before.status) or order.settled
            assert (order.cancellation is None) == (order.status not in (Status.CANCELLING, Status.CANCELLED))


@pytest.mark.parametrize(
    ("state", "seconds"),
    [
        ("placed", 300),
        ("reserved", 300),
        ("paid", 300),
        ("confirmed", None),
        ("cancelling", 5),
        ("cancelled", 5),
        ("settled", None),
    ],
)
def test_an_order_waits_for_a_time_that_depends_on_its_state_and_not_once_it_has_ended(
    state: str, seconds: int | None
) -> None:
    expected = None if seconds is None else NOON + timedelta(seconds=seconds)

    assert saga.deadline(STATES[state], NOON) == expected


def test_what_is_not_answered_is_repeated_after_5_seconds_doubling_to_60() -> None:
    assert [saga.repeat_after(attempt).total_seconds() for attempt in range(1, 8)] == [5, 10, 20, 40, 60, 60, 60]
    assert saga.repeat_after(10**6).total_seconds() == 60


BAD_STREAMS: Mapping[str, list[tuple[int, Any]]] = {
    "none": [],
    "one that begins in the middle": [(1, RESERVED)],
    "one with a gap": [(1, PLACED), (3, RESERVED)],
    "one with a version twice": [(1, PLACED), (1, RESERVED)],
    "one that is placed twice": [(1, PLACED), (2, PLACED)],
}


@pytest.mark.parametrize("stream", BAD_STREAMS.values(), ids=BAD_STREAMS.keys())
def test_a_stream_that_cannot_be_is_not_replayed(stream: list[tuple[int, OrderEvent]]) -> None:
    with pytest.raises(ValueError, match="order"):
        orders.replay(UUID(int=1), [Recorded(version=v, occurred_at=NOON, event=event) for v, event in stream])


def test_an_order_is_what_its_events_have_made_of_it() -> None:
    assert made_of(PLACED, RESERVED, CAPTURED, BEGUN, CANCELLED, OrderSettled()) == Order(
        id=UUID(int=1),
        customer_id="ada",
        basket=BASKET,
        payment_method="card",
        placed_at=NOON,
        status=Status.CANCELLED,
        version=6,
        cancellation=WHY,
        settled=True,
    )
