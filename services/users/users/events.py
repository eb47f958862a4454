"""The data of the events of this service. It reads none."""

from collections.abc import Mapping
from typing import Any, ClassVar

from chassis.messages import EventData, EventReader


class UserCreated(EventData):
    type: ClassVar[str] = "user.created"

    user_id: str
    email: str
    name: str


class UserUpdated(EventData):
    type: ClassVar[str] = "user.updated"

    user_id: str
    name: str


PUBLISHED: tuple[type[EventData], ...] = (UserCreated, UserUpdated)
READ: Mapping[str, EventReader[Any]] = {}
