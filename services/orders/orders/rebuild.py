"""`python -m orders rebuild`: makes the table of orders anew from their streams, while the service goes on."""

from collections.abc import Sequence
from itertools import groupby
from uuid import UUID

import stamina
import structlog
from chassis.database import Database
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from orders import projection, streams
from orders.domain.order import Order, replay
from orders.tables import events

STREAMS_PER_BATCH = 500

_RETRYABLE = frozenset({"40P01", "55P03"})
"""PostgreSQL's deadlock_detected and lock_not_available."""

log = structlog.get_logger(__name__)


async def rebuild(database: Database) -> int:
    """Writes the row of every order; returns how many.

    A row is never overwritten by an older version (projection.write). So a rebuild may run while orders change: when a
    change that it has not read is written first, that row stays.
    """
    rebuilt = 0
    last: UUID | None = None
    while batch := await _next(database, last):
        await _write(database, batch)
        last = batch[-1].id
        rebuilt += len(batch)
        log.info("orders_rebuilt", orders=rebuilt)
    return rebuilt


async def _next(database: Database, after: UUID | None) -> Sequence[Order]:
    """The orders that follow this one, in the order of their ids."""
    ids = select(events.c.order_id).where(events.c.version == 1).order_by(events.c.order_id).limit(STREAMS_PER_BATCH)
    if after is not None:
        ids = ids.where(events.c.order_id > after)
    stream = select(events).where(events.c.order_id.in_(ids)).order_by(events.c.order_id, events.c.version)
    async with database.connection() as connection:
        rows = await connection.execute(stream)
    return [
        replay(order_id, map(streams.recorded, of_order))
        for order_id, of_order in groupby(rows, lambda row: row.order_id)
    ]


async def _write(database: Database, batch: Sequence[Order]) -> None:
    rows = [projection.row(order) for order in batch]
    # Message handlers lock orders in the order of arrival, so a deadlock is possible; then this one retries.
    async for attempt in stamina.retry_context(on=_is_transient, attempts=5):
        with attempt:
            async with database.transaction() as tx:
                await tx.execute(projection.write(), rows)


def _is_transient(error: Exception) -> bool:
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _RETRYABLE
