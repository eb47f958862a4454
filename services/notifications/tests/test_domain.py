from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from notifications.domain import Activity, Kind, Total, activity, written
from pydantic import ValidationError

EVENT = UUID("019a0000-0000-7000-8000-000000000001")
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)

CREATED = {"user_id": "ada", "email": "ada@example.com", "name": "Ada"}
PLACED = {
    "order_id": "o-1",
    "customer_id": "ada",
    "lines": [{"sku": "TEA", "quantity": 2, "unit_price": {"amount": 625, "currency": "EUR"}}],
    "total": {"amount": 1250, "currency": "EUR"},
}
CANCELLED = {"order_id": "o-1", "customer_id": "ada", "reason": "no stock"}


@pytest.mark.parametrize(
    ("kind", "data", "text", "reference"),
    [
        (Kind.USER_CREATED, CREATED, "Welcome, Ada.", "ada"),
        (Kind.ORDER_PLACED, PLACED, "You placed order o-1 for 12.50 EUR.", "o-1"),
        (Kind.ORDER_CANCELLED, CANCELLED, "Order o-1 was cancelled: no stock", "o-1"),
        (Kind.ORDER_CANCELLED, CANCELLED | {"reason": None}, "Order o-1 was cancelled.", "o-1"),
    ],
)
def test_each_event_tells_its_person_one_thing(kind: Kind, data: dict[str, Any], text: str, reference: str) -> None:
    assert activity(EVENT, kind, NOON, data) == Activity(
        id=EVENT, person_id="ada", kind=kind, text=text, occurred_at=NOON, reference=reference
    )


def test_what_a_publisher_adds_later_is_ignored() -> None:
    later = PLACED | {"gift": True, "total": {"amount": 1250, "currency": "EUR", "tax": 200}}

    assert activity(EVENT, Kind.ORDER_PLACED, NOON, later) == activity(EVENT, Kind.ORDER_PLACED, NOON, PLACED)


@pytest.mark.parametrize(
    ("kind", "data", "field"),
    [
        (Kind.USER_CREATED, CREATED, "user_id"),
        (Kind.USER_CREATED, CREATED, "name"),
        (Kind.ORDER_PLACED, PLACED, "order_id"),
        (Kind.ORDER_PLACED, PLACED, "customer_id"),
        (Kind.ORDER_PLACED, PLACED, "total"),
        (Kind.ORDER_CANCELLED, CANCELLED, "order_id"),
        (Kind.ORDER_CANCELLED, CANCELLED, "customer_id"),
    ],
)
def test_an_event_without_what_its_entry_needs_is_not_understood(kind: Kind, data: dict[str, Any], field: str) -> None:
    lacking = {name: value for name, value in data.items() if name != field}

    with pytest.raises(ValidationError, match=field):
        activity(EVENT, kind, NOON, lacking)


def test_the_words_of_a_person_are_never_a_template() -> None:
    entry = activity(EVENT, Kind.USER_CREATED, NOON, CREATED | {"name": "{person_id} %s ${x}"})

    assert entry.text == "Welcome, {person_id} %s ${x}."


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
    assert written(Total(amount=amount, currency=currency)) == text
