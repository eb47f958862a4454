"""The inbox: remembers which events were handled, so that a second copy of one changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis import sql
from chassis.consumer import Handler
from chassis.database import Database
from chassis.messages import Event
from chassis.queue import BATCH_ENTRIES
from chassis.sql import UtcDateTime

RETENTION = timedelta(days=14)
"""No copy of a message can arrive later: SQS keeps a message for 14 days at most."""

PRUNE_BATCH = 5_000

table = sa.Table(
    "inbox",
    sa.MetaData(),
    sa.Column("event_id", sql.uuid(), primary_key=True),
    sa.Column("received_at", UtcDateTime, nullable=False, server_default=sql.now()),
    # Rows arrive in the order of time, which a BRIN index describes in a few pages.
    sa.Index("inbox_received_at", "received_at", postgresql_using="brin"),
)

_IDS = sa.bindparam("ids", type_=postgresql.ARRAY(sa.Uuid))
_INSERT = (
    postgresql.insert(table)
    .from_select([table.c.event_id], sa.select(sa.func.unnest(_IDS)))
    .on_conflict_do_nothing()
    .returning(table.c.event_id)
)
_KNOWN = sa.select(table.c.event_id).where(sql.one_of(table.c.event_id, sa.bindparam("ids")))
_INSERT_IGNORE = table.insert().prefix_with("IGNORE")
_OLD = (
    sa.select(table.c.event_id)
    .where(table.c.received_at < sql.seconds_from_now(-RETENTION.total_seconds()))
    .limit(sa.bindparam("most", type_=sa.Integer))
    .with_for_update(skip_locked=True)
)
_DELETE = table.delete().where(sql.one_of(table.c.event_id, sa.bindparam("ids")))


class ConcurrentDuplicate(Exception):
    """Another transaction has inserted one of several events meanwhile. MySQL does not tell which one."""


class SqlInbox:
    """The inbox of a service with a relational database: a handler works in the transaction that remembers its event.

    Implements chassis.consumer.Inbox.
    """

    max_concurrency = 1
    """Concurrent batches may lock rows in different orders: they would deadlock, until the server ends one of them."""
    max_batch_size = 2 * BATCH_ENTRIES
    """Twice what one call receives, for half as many commits: more messages arrive while a batch is handled."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ping(self) -> None:
        await self._database.ping()

    async def prune(self) -> int:
        return await prune(self._database)

    async def handle(self, batch: Sequence[tuple[Event, Handler[AsyncConnection]]]) -> list[bool]:
        """Waits while another transaction is handling one of these events."""
        handled = []
        async with self._database.transaction() as tx:
            new = await _insert_new(tx, [event.id for event, _ in batch])
            for event, handler in batch:
                # Of two copies in one batch the first is the one that is handled.
                handled.append(event.id in new)
                if event.id in new:
                    new.remove(event.id)
                    await handler(tx, event)
        return handled


async def _insert_new(tx: AsyncConnection, event_ids: Sequence[UUID]) -> set[UUID]:
    """Inserts the events; returns the ids of those that are new."""
    # Sorted, as everywhere: two transactions that insert the same events must not wait for each other in a circle.
    ids = sorted(set(event_ids))
    if tx.dialect.name == "postgresql":
        return set(await tx.scalars(_INSERT, {"ids": ids}))
    unknown = sorted(set(ids).difference(await tx.scalars(_KNOWN, {"ids": ids})))
    if not unknown:
        return set()
    result = await tx.execute(_INSERT_IGNORE, [{"event_id": each} for each in unknown])
    if result.rowcount == len(unknown):
        return set(unknown)
    if len(unknown) == 1:
        return set()
    raise ConcurrentDuplicate


async def prune(database: Database) -> int:
    """Deletes what is older than RETENTION, a bounded number of rows at a time; returns how many."""
    deleted = 0
    while True:
        async with database.transaction() as tx:
            old = (await tx.scalars(_OLD, {"most": PRUNE_BATCH})).all()
            await tx.execute(_DELETE, {"ids": old})
        deleted += len(old)
        if len(old) < PRUNE_BATCH:
            return deleted
