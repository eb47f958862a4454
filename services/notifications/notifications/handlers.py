"""The use cases: an event becomes an entry, and a person reads the entries."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from chassis.database import Database
from chassis.messages import Event
from sqlalchemy import select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from notifications.domain import Activity, Kind, activity
from notifications.tables import activities


async def record(tx: AsyncConnection, event: Event) -> None:
    """Writes the entry of an event, once, however late or often the event comes.

    Entries do not depend on each other and are sorted by the time of their events when they are read, so the order
    of arrival does not matter.
    """
    entry = activity(event.id, Kind(event.type), event.occurred_at, event.data)
    await tx.execute(insert(activities).values(entry.model_dump()).on_conflict_do_nothing())


async def read(
    database: Database, person_id: str, *, kind: Kind | None, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[Activity]:
    """Up to `limit` entries of a person, newest first, from behind the entry of time and id `after`."""
    query = select(activities).where(activities.c.person_id == person_id)
    if kind is not None:
        query = query.where(activities.c.kind == kind)
    if after is not None:
        query = query.where(tuple_(activities.c.occurred_at, activities.c.id) < after)
    newest_first = query.order_by(activities.c.occurred_at.desc(), activities.c.id.desc()).limit(limit)
    async with database.connection() as connection:
        rows = await connection.execute(newest_first)
    return [Activity.model_validate(row._mapping) for row in rows]
