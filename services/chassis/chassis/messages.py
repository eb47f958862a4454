"""What services tell each other: an event, as it is published and as it arrives."""

from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

EVENT_TYPE_ATTRIBUTE = "event_type"
TRACEPARENT_ATTRIBUTE = "traceparent"


class Event(BaseModel):
    """Something that happened to one aggregate.

    `sequence` grows with every event of an aggregate, so a consumer can tell old from new: queues keep order only
    as far as they can. `data` must be JSON; `version` grows when the shape of `data` changes in a breaking way.
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

    def wire(self) -> str:
        """The JSON that is sent. All ASCII: SQS refuses some characters of Unicode, such as U+FFFE, but no escapes."""
        return self.model_dump_json(ensure_ascii=True)
