import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from chassis.messages import Event
from pydantic import ValidationError

FIELDS = {
    "id": "018f4e3c-0000-7000-8000-000000000001",
    "type": "order.placed",
    "version": 1,
    "source": "orders",
    "aggregate_id": "42",
    "sequence": 3,
    "occurred_at": "2026-01-02T03:04:05Z",
    "data": {"total": 1200},
}


def test_an_event_on_the_wire_has_exactly_these_fields() -> None:
    event = Event(
        id=UUID("018f4e3c-0000-7000-8000-000000000001"),
        type="order.placed",
        source="orders",
        aggregate_id="42",
        sequence=3,
        occurred_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        data={"total": 1200},
    )
    assert json.loads(event.wire()) == FIELDS


def test_an_event_is_read_back_as_it_was() -> None:
    event = Event.model_validate(FIELDS | {"data": {"name": "Zoë \ufffe \N{PARTY POPPER}"}})
    assert event.wire().isascii()
    assert Event.model_validate_json(event.wire()) == event


def test_a_field_of_a_newer_publisher_is_ignored() -> None:
    assert Event.model_validate(FIELDS | {"tenant": "acme"}) == Event.model_validate(FIELDS)


@pytest.mark.parametrize("field", [name for name in FIELDS if name != "version"])
def test_an_event_without_a_field_is_refused(field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        Event.model_validate({name: value for name, value in FIELDS.items() if name != field})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "1"),
        ("type", "Order Placed"),
        ("type", "placed"),
        ("version", 0),
        ("source", ""),
        ("aggregate_id", ""),
        ("sequence", 0),
        ("occurred_at", "2026-01-02T03:04:05"),
        ("data", ["total"]),
    ],
)
def test_a_wrong_field_is_refused(field: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=field):
        Event.model_validate(FIELDS | {field: value})
