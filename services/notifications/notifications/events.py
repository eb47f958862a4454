"""What this service reads of the events of others. It publishes none.

The events belong to their publishers, which may add to them at any time: only what a notification is made of is
read, and everything else is left alone.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from chassis.messages import EventData, EventReader
from chassis.money import MAX_AMOUNT
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Id = Annotated[str, StringConstraints(max_length=200)]
"""Part of a key of DynamoDB, which has at most 2048 bytes."""


class _Data(BaseModel):
    """Without its fields an event cannot be understood. An error does not quote them: it goes to the log."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Total(_Data):
    amount: int = Field(strict=True, ge=0, le=MAX_AMOUNT)
    currency: str = Field(pattern="^[A-Z]{3}$")


class UserCreated(_Data):
    user_id: Id
    name: str


class OrderPlaced(_Data):
    order_id: Id
    customer_id: Id
    total: Total


class OrderConfirmed(_Data):
    order_id: Id
    customer_id: Id
    total: Total


class OrderCancelled(_Data):
    order_id: Id
    customer_id: Id
    cause: str
    reason: str | None = None


PUBLISHED: tuple[type[EventData], ...] = ()
READ: Mapping[str, EventReader[Any]] = {
    "user.created": EventReader(UserCreated),
    "order.placed": EventReader(OrderPlaced),
    "order.confirmed": EventReader(OrderConfirmed),
    "order.cancelled": EventReader(OrderCancelled),
}
