from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from chassis.messages import Event
from hypothesis import given
from hypothesis import strategies as st
from notifications.domain import MAX_QUOTED_CHARACTERS, Entry, Kind, entry_of, fact_id, format_amount
from notifications.events import PUBLISHED, READ, Total
from notifications.subscriptions import HANDLERS
from notifications.templates import CANCELLATION_CAUSES, TEMPLATES
from pydantic import ValidationError

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
TOTAL = {"amount": 1250, "currency": "EUR"}
CREATED = {"user_id": "ada", "email": "ada@example.com", "name": "Ada"}
PLACED = {
    "order_id": "o-1",
    "customer_id": "ada",
    "lines": [{"sku": "TEA", "quantity": 2, "unit_price": {"amount": 625, "currency": "EUR"}}],
    "total": TOTAL,
}
CONFIRMED = {"order_id": "o-1", "customer_id": "ada", "total": TOTAL}
CANCELLED = {"order_id": "o-1", "customer_id": "ada", "cause": "customer", "reason": None}


def event(kind: str, data: dict[str, Any], **envelope: Any) -> Event:
    fields = {"id": uuid4(), "source": "somebody", "aggregate_id": "1", "sequence": 1, "occurred_at": NOON}
    return Event.model_validate(fields | {"type": kind, "data": data} | envelope)


def text(kind: str, data: dict[str, Any]) -> str:
    return entry_of(event(kind, data)).text


@pytest.mark.parametrize(
    ("kind", "data", "title", "words", "reference"),
    [
        (Kind.USER_CREATED, CREATED, "Welcome", "Welcome, Ada.", "ada"),
        (Kind.ORDER_PLACED, PLACED, "Order placed", "You placed order o-1 for 12.50 EUR.", "o-1"),
        (Kind.ORDER_CONFIRMED, CONFIRMED, "Order confirmed", "Order o-1 for 12.50 EUR is confirmed.", "o-1"),
        (Kind.ORDER_CANCELLED, CANCELLED, "Order cancelled", "Order o-1 was cancelled at your request.", "o-1"),
    ],
)
def test_each_event_tells_its_person_one_thing(
    kind: Kind, data: dict[str, Any], title: str, words: str, reference: str
) -> None:
    told = event(kind, data)

    assert entry_of(told) == Entry(
        id=fact_id(told),
        person_id="ada",
        kind=kind.value,
        title=title,
        text=words,
        occurred_at=NOON,
        reference=reference,
    )


@pytest.mark.parametrize(
    ("cause", "reason", "end"),
    [
        ("customer", None, " at your request."),
        ("customer", "found it elsewhere.", " at your request: found it elsewhere."),
        ("out_of_stock", None, ", as something in it is out of stock."),
        ("payment_declined", "The card has expired", ", as the payment was declined: The card has expired."),
        ("timeout", "", ", as it could not be completed in time."),
        ("came up later", None, "."),
        ("came up later", "the shop burned down", ": the shop burned down."),
    ],
)
def test_a_cancellation_tells_its_cause_and_its_reason(cause: str, reason: str | None, end: str) -> None:
    said = text("order.cancelled", CANCELLED | {"cause": cause, "reason": reason})

    assert said == f"Order o-1 was cancelled{end}"


def test_every_kind_is_read_handled_and_has_its_words() -> None:
    assert set(READ) == set(HANDLERS) == set(TEMPLATES) == {kind.value for kind in Kind}
    assert set(CANCELLATION_CAUSES) == {"customer", "out_of_stock", "payment_declined", "timeout"}
    assert PUBLISHED == ()


def test_what_a_publisher_adds_later_is_ignored() -> None:
    later = PLACED | {"gift": True, "total": TOTAL | {"tax": 200}}

    assert text("order.placed", later) == text("order.placed", PLACED)


@pytest.mark.parametrize(
    ("kind", "data", "field"),
    [
        ("user.created", CREATED, "user_id"),
        ("user.created", CREATED, "name"),
        ("order.placed", PLACED, "order_id"),
        ("order.placed", PLACED, "customer_id"),
        ("order.placed", PLACED, "total"),
        ("order.confirmed", CONFIRMED, "order_id"),
        ("order.confirmed", CONFIRMED, "customer_id"),
        ("order.confirmed", CONFIRMED, "total"),
        ("order.cancelled", CANCELLED, "order_id"),
        ("order.cancelled", CANCELLED, "customer_id"),
        ("order.cancelled", CANCELLED, "cause"),
    ],
)
def test_an_event_without_what_its_entry_needs_is_not_understood(kind: str, data: dict[str, Any], field: str) -> None:
    for wrong in (..., None, 5, ["x"], {"amount": "12", "currency": "EUR"}):
        changed = {name: value for name, value in (data | {field: wrong}).items() if value is not ...}

        with pytest.raises(ValidationError, match=field):
            entry_of(event(kind, changed))


@pytest.mark.parametrize(
    ("kind", "data", "field"),
    [
        ("user.created", CREATED, "user_id"),
        ("order.placed", PLACED, "order_id"),
        ("order.placed", PLACED, "customer_id"),
    ],
)
def test_an_id_that_is_too_long_for_a_key_is_not_understood_nor_quoted(
    kind: str, data: dict[str, Any], field: str
) -> None:
    with pytest.raises(ValidationError, match=field) as error:
        entry_of(event(kind, data | {field: "x" * 201}))
    assert "xxx" not in str(error.value)


def test_the_words_of_a_person_are_never_a_template() -> None:
    assert text("user.created", CREATED | {"name": "{person_id} %s ${x}"}) == "Welcome, {person_id} %s ${x}."


# A NUL is in no event, see chassis.messages.
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


@given(WORDS, WORDS)
def test_whatever_somebody_wrote_becomes_a_text_of_bounded_length(name: str, reason: str) -> None:
    longest = MAX_QUOTED_CHARACTERS + 100
    assert len(text("user.created", CREATED | {"name": name * 1000})) < longest
    assert len(text("order.cancelled", CANCELLED | {"reason": reason * 1000})) < longest


def test_a_fact_is_the_same_under_whatever_id_it_comes_and_another_in_any_other_place() -> None:
    once = event("user.created", CREATED)
    others = [
        event("user.created", CREATED, **place)
        for place in ({"source": "others"}, {"aggregate_id": "2"}, {"sequence": 2}, {"source": "somebody1"})
    ]

    assert fact_id(once) == fact_id(event("user.created", CREATED, occurred_at="2026-01-03T00:00:00Z"))
    assert len({fact_id(each) for each in (once, *others)}) == 5
    assert fact_id(once) == UUID("76658cee-2cde-58fc-8c49-3222ac18a829")  # as it is in tables by now


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (0, "EUR", "0.00 EUR"),
        (5, "EUR", "0.05 EUR"),
        (1250, "EUR", "12.50 EUR"),
        (10**12, "EUR", "10000000000.00 EUR"),
        (1250, "JPY", "1250 JPY"),
        (1250, "KWD", "1.250 KWD"),
        (1250, "UYW", "0.1250 UYW"),
    ],
)
def test_money_is_written_with_the_decimals_of_its_currency(amount: int, currency: str, text: str) -> None:
    assert format_amount(Total(amount=amount, currency=currency)) == text
