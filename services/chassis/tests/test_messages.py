import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from chassis.messages import Event, EventData, EventReader, UnsupportedVersion
from pydantic import BaseModel, ValidationError

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
    assert json.loads(event.to_json()) == FIELDS


def test_an_event_is_read_back_as_it_was() -> None:
    event = Event.model_validate(FIELDS | {"data": {"name": "Zoë \ufffe \N{PARTY POPPER}"}})
    assert event.to_json().isascii()
    assert Event.model_validate_json(event.to_json()) == event


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
        ("data", {"name": "a\0b"}),
        ("data", {"lines": [{"name": "a\ud800"}]}),
        ("data", {"\0": 1}),
        ("aggregate_id", "a\0b"),
        ("source", "a\0b"),
    ],
)
def test_a_wrong_field_is_refused(field: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=field):
        Event.model_validate(FIELDS | {field: value})


class Placed(EventData):
    type = "order.placed"

    order_id: UUID
    total: int


class PlacedAnew(Placed):
    version = 2


PLACED = Placed(order_id=UUID(int=1), total=1200)


def test_data_makes_an_event_of_its_type_with_an_id_of_its_own() -> None:
    event, again = (PLACED.event(source="orders", aggregate_id="42", sequence=3) for _ in range(2))
    assert (event.type, event.version, event.source, event.aggregate_id, event.sequence) == (
        *("order.placed", 1, "orders", "42", 3),
    )
    assert event.data == {"order_id": str(UUID(int=1)), "total": 1200}
    assert event.id.version == 7
    assert event.id != again.id
    assert abs(datetime.now(UTC) - event.occurred_at) < timedelta(minutes=1)


def test_an_event_occurs_when_its_publisher_says_and_is_of_the_version_of_its_data() -> None:
    then = datetime(2026, 1, 2, tzinfo=UTC)
    event = PlacedAnew(order_id=UUID(int=1), total=1).event(
        source="orders", aggregate_id="42", sequence=1, occurred_at=then
    )
    assert (event.occurred_at, event.version) == (then, 2)


class Named(EventData):
    type = "thing.named"

    name: str


def test_nothing_is_published_that_a_consumer_could_not_keep() -> None:
    with pytest.raises(ValidationError, match="must not contain NUL"):
        Named(name="a\0b").event(source="things", aggregate_id="1", sequence=1)


def test_data_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        PLACED.total = 1  # type: ignore[misc]


class Total(BaseModel):
    """What a consumer needs of the newest version, 3."""

    amount: int
    currency: str


READING = EventReader(
    Total,
    version=3,
    upcast={
        1: lambda data: {"amount": data["total"]},
        2: lambda data: data | {"currency": "EUR"},
    },
)


def of_version(version: int, **data: Any) -> Event:
    return Event.model_validate(FIELDS | {"version": version, "data": data})


def test_a_consumer_reads_what_it_needs_and_leaves_the_rest() -> None:
    assert READING(of_version(3, amount=1, currency="USD", colour="blue")) == Total(amount=1, currency="USD")


@pytest.mark.parametrize("event", [of_version(1, total=7), of_version(2, amount=7)])
def test_older_data_is_brought_up_version_by_version(event: Event) -> None:
    before = dict(event.data)
    assert READING(event) == Total(amount=7, currency="EUR")
    assert event.data == before


def test_data_without_what_is_needed_is_refused() -> None:
    with pytest.raises(ValidationError, match="currency"):
        READING(of_version(3, amount=7))


def test_a_version_that_nobody_can_bring_up_is_refused() -> None:
    for reading, version in ((READING, 4), (EventReader(Total, version=2), 1)):
        with pytest.raises(UnsupportedVersion, match=f"order.placed of version {version}"):
            reading(of_version(version, amount=7, currency="EUR"))
