"""The inbox: remembers which events were handled, so that a second copy of one changes nothing."""

from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database
from chassis.messages import Event

RETENTION = timedelta(days=14)
"""No copy of a message can arrive later: SQS keeps a message for 14 days at most."""

PRUNED_AT_ONCE = 5_000

table = sa.Table(
    "inbox",
    sa.MetaData(),
    sa.Column("event_id", sa.Uuid, primary_key=True),
    sa.Column("received_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    # Rows arrive in the order of time, which a BRIN index describes in a few pages.
    sa.Index("inbox_received_at", "received_at", postgresql_using="brin"),
)

_REMEMBER = insert(table).on_conflict_do_nothing().returning(table.c.event_id)


async def first_time(tx: AsyncConnection, event: Event) -> bool:
    """False when this event was handled before. Waits while another transaction is handling the same event."""
    result = await tx.execute(_REMEMBER, {"event_id": event.id})
    return result.first() is not None


async def prune(database: Database) -> int:
    """Forgets what is older than RETENTION, a bounded number of rows at a time; the number forgotten."""
    old = (
        sa.select(table.c.event_id)
        .where(table.c.received_at < sa.func.now() - RETENTION)
        .limit(PRUNED_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    forgotten = 0
    while True:
        async with database.transaction() as tx:
            result = await tx.execute(sa.delete(table).where(table.c.event_id.in_(old)))
        forgotten += result.rowcount
        if result.rowcount < PRUNED_AT_ONCE:
            return forgotten
