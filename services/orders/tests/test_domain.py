"""The rules of an order, without any I/O."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from chassis.money import MAX_AMOUNT, Money
from hypothesis import given
from hypothesis import strategies as st
from orders import domain
from orders.domain import Line, Order, Status

ORDER_ID = UUID(int=1)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def line(sku: str = "TEA", quantity: int = 1, amount: int = 250, currency: str = "EUR") -> Line:
    return Line(sku=sku, quantity=quantity, unit_price=Money(amount=amount, currency=currency))


def placed(*lines: Line) -> Order:
    order, _ = domain.place(order_id=ORDER_ID, customer_id="ada", lines=lines or (line(),), placed_at=NOON)
    return order


skus = st.integers(0, 999).map("SKU-{}".format)
lines_of_one_currency = st.lists(
    st.builds(line, sku=skus, quantity=st.integers(1, 1_000), amount=st.integers(0, 10_000_000)),
    min_size=1,
    max_size=20,
    unique_by=lambda each: each.sku,
).map(tuple)


@given(lines_of_one_currency)
def test_the_total_is_the_sum_of_quantity_times_unit_price(lines: tuple[Line, ...]) -> None:
    expected = 0
    for each in lines:
        for _ in range(each.quantity):
            expected += each.unit_price.amount

    assert placed(*lines).total == Money(amount=expected, currency="EUR")


def test_a_new_order_is_placed_in_version_one_and_says_so_in_one_event() -> None:
    order, events = domain.place(order_id=ORDER_ID, customer_id="ada", lines=(line(quantity=2),), placed_at=NOON)

    assert order == Order(
        id=ORDER_ID,
        customer_id="ada",
        lines=(line(quantity=2),),
        total=Money(amount=500, currency="EUR"),
        status=Status.PLACED,
        version=1,
        placed_at=NOON,
    )
    assert events == (domain.OrderPlaced(order_id=ORDER_ID, customer_id="ada", lines=order.lines, total=order.total),)


def test_an_article_on_two_lines_is_refused() -> None:
    with pytest.raises(domain.RepeatedSku, match="TEA is on more than one line"):
        placed(line("TEA"), line("CUP"), line("TEA", quantity=3))


def test_two_currencies_in_one_order_are_refused() -> None:
    with pytest.raises(domain.MixedCurrencies, match="this one has EUR, USD"):
        placed(line("TEA", currency="USD"), line("CUP", currency="EUR"))


def test_a_total_may_reach_the_largest_amount_and_not_exceed_it() -> None:
    assert placed(line(amount=MAX_AMOUNT)).total.amount == MAX_AMOUNT
    with pytest.raises(domain.TotalTooLarge, match=str(MAX_AMOUNT + 1)):
        placed(line("TEA", amount=MAX_AMOUNT), line("CUP", amount=1))


def test_cancelling_keeps_the_reason_and_says_so_in_one_event() -> None:
    order, events = domain.cancel(placed(), "changed my mind")

    assert (order.status, order.cancellation_reason, order.version) == (Status.CANCELLED, "changed my mind", 2)
    assert events == (domain.OrderCancelled(order_id=ORDER_ID, customer_id="ada", reason="changed my mind"),)


def test_cancelling_again_changes_nothing_and_keeps_the_first_reason() -> None:
    cancelled, _ = domain.cancel(placed(), "first")

    assert domain.cancel(cancelled, "second") == (cancelled, ())


def test_a_confirmed_order_cannot_be_cancelled() -> None:
    confirmed = placed().model_copy(update={"status": Status.CONFIRMED})

    with pytest.raises(domain.NotCancellable, match="The order is confirmed"):
        domain.cancel(confirmed, None)


@given(lines_of_one_currency, st.lists(st.none() | st.text(), max_size=4))
def test_each_event_raises_the_version_by_one_and_nothing_else_does(
    lines: tuple[Line, ...], reasons: list[str | None]
) -> None:
    order, happened = domain.place(order_id=ORDER_ID, customer_id="ada", lines=lines, placed_at=NOON)
    for reason in reasons:
        order, events = domain.cancel(order, reason)
        happened += events

    assert order.version == len(happened)


@given(lines_of_one_currency)
def test_the_order_as_it_was_placed_can_be_told_from_what_it_became(lines: tuple[Line, ...]) -> None:
    order = placed(*lines)
    cancelled, _ = domain.cancel(order, "changed my mind")

    assert domain.as_placed(cancelled) == order
