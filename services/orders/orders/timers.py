"""The timers of the sagas: which of them are due, and what is done when an answer is missing."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chassis import outbox
from chassis.database import Database
from sqlalchemy import Row, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from orders import handlers, streams
from orders.domain import saga
from orders.domain.order import Order, OrderEvent
from orders.events import integration_event
from orders.tables import sagas

MAX_CLAIMED = 50
LEASE = timedelta(seconds=30)
"""After this time another process takes over a saga whose timer was claimed by a process that has died."""
LONG_UNANSWERED = 8
"""Attempts to compensate: some five minutes."""

Claimed = Sequence[Row[UUID, int, int]]


async def claim(database: Database, now: datetime) -> Claimed:
    """Claims some sagas whose deadline has passed: (order_id, version, attempt) of each, for the time of the lease.

    The claim is committed before any saga is handled. So locks are held for one statement only, a timer and a message
    cannot deadlock, and a saga that fails does not block the others.
    """
    due = (
        select(sagas.c.order_id)
        .where(sagas.c.deadline <= now)
        .order_by(sagas.c.deadline)
        .limit(MAX_CLAIMED)
        .with_for_update(skip_locked=True)
    )
    leased = (
        update(sagas)
        .where(sagas.c.order_id.in_(due))
        .values(deadline=now + LEASE)
        .returning(sagas.c.order_id, sagas.c.version, sagas.c.attempt)
    )
    async with database.transaction() as tx:
        return (await tx.execute(leased)).all()


async def handle_overdue(database: Database, order_id: UUID, version: int, attempt: int, now: datetime) -> None:
    """Times the order out, or repeats the event that is unanswered. Does nothing if the order has changed since.

    Raises OrderNotFound.
    """

    def decide(order: Order) -> OrderEvent | None:
        return saga.time_out(order) if order.version == version else None

    async with database.transaction() as tx:
        order = await handlers.change(tx, order_id, decide, now)
        if order is None:
            raise handlers.OrderNotFound(order_id)
        if order.version == version and await _schedule_retry(tx, order_id, version, attempt + 1, now):
            await _republish(tx, order)


async def count_overdue(database: Database, now: datetime) -> int:
    """How many sagas are past their deadline and not handled, or unanswered after LONG_UNANSWERED attempts."""
    late = (sagas.c.deadline <= now) | (sagas.c.attempt >= LONG_UNANSWERED)
    async with database.connection() as connection:
        return int(await connection.scalar(select(func.count()).where(late)) or 0)


async def _schedule_retry(tx: AsyncConnection, order_id: UUID, version: int, attempt: int, now: datetime) -> bool:
    """Sets the timer for the next attempt. False when the order has changed since."""
    timer = update(sagas).where(sagas.c.order_id == order_id, sagas.c.version == version)
    values: dict[str, Any] = {"attempt": attempt, "deadline": now + saga.repeat_after(attempt)}
    return (await tx.execute(timer.values(values))).rowcount == 1


async def _republish(tx: AsyncConnection, order: Order) -> None:
    """Publishes the last event of the order once more, with a new event id."""
    *_, last = await streams.history(tx, order.id)
    event = integration_event(order, last)
    if event is not None:
        await outbox.publish(tx, event)
