"""What customers read of their orders."""

from collections.abc import Sequence
from uuid import UUID

from chassis.database import Database
from chassis.messages import Event
from sqlalchemy import select

from orders import projection, streams
from orders.domain.order import Order, Status, replay
from orders.events import integration_event
from orders.handlers import OrderNotFound
from orders.tables import orders


async def find(database: Database, *, customer_id: str, order_id: UUID) -> Order:
    """Raises OrderNotFound."""
    wanted = select(orders).where(orders.c.id == order_id, orders.c.customer_id == customer_id)
    async with database.connection() as connection:
        row = (await connection.execute(wanted)).one_or_none()
    if row is None:
        raise OrderNotFound(order_id)
    return projection.order(row)


async def newest(
    database: Database, *, customer_id: str, status: Status | None, older_than: UUID | None, limit: int
) -> list[Order]:
    """Up to `limit` orders of the customer, newest first, beginning after the order `older_than`."""
    wanted = select(orders).where(orders.c.customer_id == customer_id).order_by(orders.c.id.desc()).limit(limit)
    if status is not None:
        wanted = wanted.where(orders.c.status == status)
    if older_than is not None:
        wanted = wanted.where(orders.c.id < older_than)
    async with database.connection() as connection:
        return [projection.order(row) for row in await connection.execute(wanted)]


async def timeline(database: Database, *, customer_id: str, order_id: UUID) -> Sequence[Event]:
    """What others were told of the order, in order. Raises OrderNotFound."""
    async with database.connection() as connection:
        stream = await streams.history(connection, order_id)
    if not stream:
        raise OrderNotFound(order_id)
    order = replay(order_id, stream)
    if order.customer_id != customer_id:
        raise OrderNotFound(order_id)
    told = (integration_event(order, recorded) for recorded in stream)
    return [event for event in told if event is not None]
