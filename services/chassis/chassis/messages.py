"""What services tell each other: an event, as it is published and as it arrives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError
from uuid_utils.compat import uuid7

from chassis.text import is_storable

EVENT_TYPE_ATTRIBUTE = "event_type"
TRACEPARENT_ATTRIBUTE = "traceparent"

D = TypeVar("D", bound=BaseModel)
Upcast = Callable[[dict[str, Any]], dict[str, Any]]
"""Brings the data of one version up to the next one. Must not change what it is given."""


class Event(BaseModel):
    """Something that happened to one aggregate.

    `sequence` grows with every event of an aggregate, so a consumer can tell old from new: queues keep order only
    as far as they can. `data` must be JSON; `version` grows when the shape of `data` changes in a breaking way.

    Its texts may contain neither NUL nor lone surrogates, which PostgreSQL cannot store. Such an event can neither be
    published nor consumed.
    """

    # Unknown fields are ignored: a publisher may add one before its consumers are deployed again.
    model_config = ConfigDict(frozen=True, extra="ignore")

    id: UUID
    type: str = Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$", max_length=100)
    version: int = Field(default=1, ge=1)
    source: str = Field(min_length=1, max_length=63)
    aggregate_id: str = Field(min_length=1, max_length=200)
    sequence: int = Field(ge=1)
    occurred_at: AwareDatetime
    data: dict[str, Any]

    @field_validator("source", "aggregate_id", "data")
    @classmethod
    def _must_be_storable(cls, value: Any) -> Any:
        if not is_storable(value):
            raise PydanticCustomError("unstorable_text", "must not contain NUL characters or lone surrogates")
        return value

    def to_json(self) -> str:
        """The JSON of the message body, in ASCII: SQS refuses some characters, as U+FFFE, but not their escapes."""
        return self.model_dump_json(ensure_ascii=True)


class EventData(BaseModel):
    """The data of one type of event, as its publisher writes it.

    A subclass names the `type`, and the `version` once that is more than 1.
    """

    model_config = ConfigDict(frozen=True)

    type: ClassVar[str]
    version: ClassVar[int] = 1

    def event(self, *, source: str, aggregate_id: str, sequence: int, occurred_at: datetime | None = None) -> Event:
        """A new event with this data and an id of its own; it occurs now unless told otherwise."""
        return Event(
            id=uuid7(),
            type=self.type,
            version=self.version,
            source=source,
            aggregate_id=aggregate_id,
            sequence=sequence,
            occurred_at=occurred_at or datetime.now(UTC),
            data=self.model_dump(mode="json"),
        )


class UnsupportedVersion(ValueError):
    """The consumer does not know how to read this version of the data."""


class EventReader(Generic[D]):
    """Reads the data of one type of event into a model of the fields that a consumer needs.

    version: the newest known version of the data, which `model` describes.
    upcast: version n -> the function that converts data of version n to version n + 1.
    """

    def __init__(self, model: type[D], *, version: int = 1, upcast: Mapping[int, Upcast] | None = None) -> None:
        self.model = model
        self.version = version
        self._upcast = dict(upcast or {})

    def __call__(self, event: Event) -> D:
        """Raises UnsupportedVersion, and pydantic.ValidationError for data that lacks what is needed."""
        data = event.data
        for version in range(event.version, self.version):
            if version not in self._upcast:
                raise self._unreadable(event)
            data = self._upcast[version](data)
        if event.version > self.version:
            raise self._unreadable(event)
        return self.model.model_validate(data)

    def _unreadable(self, event: Event) -> UnsupportedVersion:
        return UnsupportedVersion(f"{event.type} of version {event.version}; the newest known is {self.version}")
