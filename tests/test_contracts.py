"""What services promise each other, checked from both sides: who publishes an event, and who reads it."""

import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import uuid4

import pytest
from chassis.messages import Event, EventReader
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, create_model

from infra.service import catalogue
from tests.schemas import documents
from tools import contracts


@dataclass(frozen=True, order=True)
class Promise:
    """One version of one type of event, as it was recorded."""

    type: str
    version: int
    file: Path

    def schema(self) -> dict[str, Any]:
        return dict(json.loads(self.file.read_text()))


def promise_in(file: Path) -> Promise:
    event_type, version = file.stem.rsplit(".v", 1)
    return Promise(event_type, int(version), file)


def readings(spec: catalogue.ServiceSpec) -> Mapping[str, EventReader[Any]]:
    """How the code of a service reads each type of event."""
    return dict(importlib.import_module(f"{spec.module}.events").READ) if spec.subscribes else {}


DECLARED = catalogue.load(contracts.SERVICES)
PROMISES = sorted(map(promise_in, contracts.SERVICES.glob(f"*/{contracts.FOLDER}/*.json")))
OF_PYTHON = [spec for spec in DECLARED if spec.language == "python"]
PUBLISHED = [(spec, data) for spec in OF_PYTHON for data in contracts.published(spec)]
READ = [
    (spec.name, promise, readings(spec)[promise.type])
    for spec in OF_PYTHON
    for promise in PROMISES
    if promise.type in spec.subscribes
]


@pytest.mark.parametrize("spec", OF_PYTHON, ids=lambda spec: spec.name)
def test_a_service_publishes_and_reads_exactly_what_it_declares(spec: catalogue.ServiceSpec) -> None:
    assert sorted(data.type for data in contracts.published(spec)) == sorted(spec.publishes)
    assert sorted(readings(spec)) == sorted(spec.subscribes)


@pytest.mark.parametrize(("spec", "data"), PUBLISHED, ids=lambda each: getattr(each, "type", ""))
def test_what_is_published_is_what_was_promised(spec: catalogue.ServiceSpec, data: Any) -> None:
    file = contracts.file_of(spec, data)

    assert file.exists(), "`make generate` records it"
    promised = json.loads(file.read_text())
    assert contracts.broken(promised, contracts.schema_of(data)) == [], "this needs a new version"
    assert promised == contracts.schema_of(data), "`make generate` records what was added"


def test_every_promise_is_of_a_type_that_its_service_publishes_and_no_version_is_missing() -> None:
    for spec in DECLARED:
        mine = [promise for promise in PROMISES if promise.file.parent.parent.name == spec.name]
        newest = {data.type: data.version for data in contracts.published(spec)} if spec in OF_PYTHON else {}
        assert {(promise.type, promise.version) for promise in mine} == {
            (event_type, version) for event_type, last in newest.items() for version in range(1, last + 1)
        }


@pytest.mark.parametrize(("consumer", "promise", "reading"), READ, ids=lambda each: getattr(each, "type", ""))
@settings(max_examples=min(40, settings().max_examples), suppress_health_check=list(HealthCheck))
@given(chosen=st.data())
def test_a_consumer_reads_whatever_the_promise_allows_of_every_version_that_was_ever_published(
    consumer: str, promise: Promise, reading: Any, chosen: st.DataObject
) -> None:
    data = chosen.draw(documents(promise.schema()))

    reading(
        Event(
            id=uuid4(),
            type=promise.type,
            version=promise.version,
            source="somebody",
            aggregate_id="1",
            sequence=1,
            occurred_at=datetime.now(UTC),
            data=data,
        )
    )


class Before(BaseModel):
    """What a promise may be made of."""

    id: str = Field(pattern="^[a-z]+$")
    amount: int
    pieces: int = Field(ge=1, le=100)
    reason: str | None
    cause: Literal["a", "b"]
    lines: list[dict[str, int]] = []


def changed(**fields: Any) -> dict[str, Any]:
    """The schema with these fields of another type; None takes a field away."""
    kept: dict[str, Any] = {
        name: (field.annotation, field) for name, field in Before.model_fields.items() if name not in fields
    }
    made = create_model("After", **kept, **{name: kind for name, kind in fields.items() if kind is not None})
    return made.model_json_schema(mode="serialization")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"amount": None}, "data.amount would be gone"),
        ({"amount": (str, ...)}, "data.amount was integer and would be string"),
        ({"amount": (int | None, ...)}, "data.amount was integer and would be integer, null"),
        ({"cause": (Literal["a", "b", "c"], ...)}, "data.cause may have values that no reader expects: c"),
        ({"cause": (str, ...)}, "data.cause may have values that no reader expects: any"),
        ({"id": (str, ...)}, "data.id had the pattern ^[a-z]+$"),
        ({"lines": (list[str], ...)}, "data.lines[] was object and would be string"),
        ({"pieces": (Annotated[int, Field(ge=1, le=101)], ...)}, "data.pieces had the maximum 100"),
        ({"pieces": (Annotated[int, Field(le=100)], ...)}, "data.pieces had the minimum 1"),
    ],
)
def test_taking_back_a_promise_is_told_by_its_place(fields: dict[str, Any], said: str) -> None:
    assert contracts.broken(Before.model_json_schema(mode="serialization"), changed(**fields)) == [said]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"more": (str, ...)},
        {"reason": (str, ...)},
        {"cause": (Literal["a"], ...)},
        {"pieces": (Annotated[int, Field(ge=2, le=99)], ...)},
    ],
    ids=["nothing", "another field", "null no more", "one value less", "narrower bounds"],
)
def test_adding_and_promising_more_breaks_nothing(fields: dict[str, Any]) -> None:
    assert contracts.broken(Before.model_json_schema(mode="serialization"), changed(**fields)) == []
