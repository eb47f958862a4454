"""The inbox: remembers which events were handled, so that a second copy of one changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis import dialects
from chassis.consumer import Handler
from chassis.database import Database
from chassis.dialects import UtcDateTime
from chassis.messages import Event
from chassis.queue import BATCH_ENTRIES

RETENTION = timedelta(days=14)
"""No copy of a message can arrive later: SQS keeps a message for 14 days at most."""

PRUNED_AT_ONCE = 5_000

table = sa.Table(
    "inbox",
    sa.MetaData(),
    sa.Column("event_id", dialects.uuid(), primary_key=True),
    sa.Column("received_at", UtcDateTime, nullable=False, server_default=dialects.now()),
    # Rows arrive in the order of time, which a BRIN index describes in a few pages.
    sa.Index("inbox_received_at", "received_at", postgresql_using="brin"),
)

_IDS = sa.bindparam("ids", type_=postgresql.ARRAY(sa.Uuid))
_REMEMBER = (
    postgresql.insert(table)
    .from_select([table.c.event_id], sa.select(sa.func.unnest(_IDS)))
    .on_conflict_do_nothing()
    .returning(table.c.event_id)
)
_KNOWN = sa.select(table.c.event_id).where(dialects.one_of(table.c.event_id, sa.bindparam("ids")))
_REMEMBER_UNKNOWN = table.insert().prefix_with("IGNORE")
_OLD = (
    sa.select(table.c.event_id)
    .where(table.c.received_at < dialects.seconds_from_now(-RETENTION.total_seconds()))
    .limit(sa.bindparam("most", type_=sa.Integer))
    .with_for_update(skip_locked=True)
)
_FORGET = table.delete().where(dialects.one_of(table.c.event_id, sa.bindparam("ids")))


class CopyUnderway(Exception):
    """Another transaction has remembered one of several events meanwhile; which one, MySQL does not tell."""


class SqlInbox:
    """The inbox of a service with a relational database: a handler works in the transaction that remembers its event.

    Implements chassis.consumer.Inbox.
    """

    at_once = 1
    """Batches that lock rows in different orders would wait for each other until the server ends one of them."""
    together = 2 * BATCH_ENTRIES
    """Half as many commits as with what one call receives; those are received while the batch before is handled."""

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
            new = await _remember(tx, [event.id for event, _ in batch])
            for event, handler in batch:
                # Of two copies in one batch the first is the one that is handled.
                handled.append(event.id in new)
                if event.id in new:
                    new.remove(event.id)
                    await handler(tx, event)
        return handled


async def _remember(tx: AsyncConnection, event_ids: Sequence[UUID]) -> set[UUID]:
    """Those that were not handled before."""
    # In an order that is everybody's: two transactions with the same events must not wait for each other.
    ids = sorted(set(event_ids))
    if tx.dialect.name == "postgresql":
        return set(await tx.scalars(_REMEMBER, {"ids": ids}))
    unknown = sorted(set(ids).difference(await tx.scalars(_KNOWN, {"ids": ids})))
    if not unknown:
        return set()
    result = await tx.execute(_REMEMBER_UNKNOWN, [{"event_id": each} for each in unknown])
    if result.rowcount == len(unknown):
        return set(unknown)
    if len(unknown) == 1:
        return set()
    raise CopyUnderway


async def prune(database: Database) -> int:
    """Forgets what is older than RETENTION, a bounded number of rows at a time; the number forgotten."""
    forgotten = 0
    while True:
        async with database.transaction() as tx:
            old = (await tx.scalars(_OLD, {"most": PRUNED_AT_ONCE})).all()
            await tx.execute(_FORGET, {"ids": old})
        forgotten += len(old)
        if len(old) < PRUNED_AT_ONCE:
            return forgotten
