"""The HTTP interface: reads requests, reads the log, writes answers. Only this layer knows status codes."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from chassis.auth import Principal, caller
from chassis.pages import DEFAULT_LIMIT, Cursor, CursorText, Limit, Page
from chassis.problems import problem_responses
from chassis.table import Table
from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field

from notifications import store
from notifications.domain import Kind

# A day off both ends of time, where the time of a forged cursor could not be turned into UTC.
_Time = Annotated[AwareDatetime, Field(gt=datetime(1, 1, 2, tzinfo=UTC), lt=datetime(9999, 12, 31, tzinfo=UTC))]
CURSOR = Cursor(tuple[_Time, UUID])


class Notification(BaseModel):
    """An entry of the activity log."""

    id: UUID
    kind: str = Field(examples=list(Kind), description="The type of the event; there may be new ones.")
    title: str = Field(examples=["Order placed"])
    text: str = Field(examples=["You placed order 0199e1b2-… for 12.50 EUR."])
    occurred_at: datetime
    reference: str = Field(description="The id of what it is about: the order, or the person.")


def router(table: Table) -> APIRouter:
    routes = APIRouter()

    @routes.get(
        "/notifications",
        summary="Read what happened to you and your orders",
        responses=problem_responses(400, 401, 403, 422, 503),
    )
    async def read(
        principal: Annotated[Principal, caller("notifications/read")],
        kind: Annotated[Kind | None, Query(description="Only entries of this kind.")] = None,
        cursor: CursorText = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> Page[Notification]:
        """Your own entries, newest first."""
        found = await store.read(table, principal.subject, kind=kind, after=CURSOR.decode(cursor), limit=limit + 1)
        entries = [Notification.model_validate(entry, from_attributes=True) for entry in found]
        return CURSOR.page(entries, limit, key=lambda entry: (entry.occurred_at, entry.id))

    return routes
