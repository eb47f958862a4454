"""The use cases, one transaction each: it stores an event together with everything that is derived from it."""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from chassis import outbox
from chassis.database import Database
from sqlalchemy.ext.asyncio import AsyncConnection

from orders import metrics, streams
from orders.domain import saga
from orders.domain.order import Order, OrderEvent, Recorded, Status
from orders.events import integration_event

ATTEMPTS = 3
"""How often a change is tried while others change the same order. Few can: a message, the customer, a timer."""

Decision = Callable[[Order], OrderEvent | None]
"""The event that follows for an order in its current state; None for no event."""


class OrderNotFound(Exception):
    """There is no such order, or it is somebody else's, which its caller must not learn."""

    def __init__(self, order_id: UUID) -> None:
        super().__init__(f"You have no order {order_id}.")


class ChangedMeanwhile(Exception):
    """Others keep changing the order."""

    def __init__(self) -> None:
        super().__init__("The order keeps changing; try again.")


async def cancel(database: Database, *, customer_id: str, order_id: UUID, reason: str | None) -> Order:
    """The order, cancelled or about to be. Raises OrderNotFound, NotCancellable or ChangedMeanwhile."""

    def decide(order: Order) -> OrderEvent | None:
        if order.customer_id != customer_id:
            raise OrderNotFound(order_id)
        return saga.cancel(order, reason)

    async with database.transaction() as tx:
        order = await change(tx, order_id, decide)
    if order is None:
        raise OrderNotFound(order_id)
    return order


async def change(tx: AsyncConnection, order_id: UUID, decide: Decision, now: datetime | None = None) -> Order | None:
    """Appends the event that `decide` returns, and returns the order after it; None when there is no such order.

    When another transaction was faster, it loads the order and decides again. Raises ChangedMeanwhile after ATTEMPTS,
    and what `decide` raises.
    """
    for _ in range(ATTEMPTS):
        # Read committed: loading again shows what the faster transaction has done.
        order = await streams.load(tx, order_id)
        if order is None:
            return None
        happened = decide(order)
        if happened is None:
            return order
        changed = await streams.append(tx, order, happened, now or datetime.now(UTC))
        if changed is not None:
            await publish_change(tx, *changed)
            return changed[0]
    raise ChangedMeanwhile


async def publish_change(tx: AsyncConnection, order: Order, recorded: Recorded) -> None:
    """Publishes the event that has led to this state of the order, and updates the metrics."""
    event = integration_event(order, recorded)
    if event is None:
        return
    await outbox.publish(tx, event)
    if order.status in (Status.CONFIRMED, Status.CANCELLED):
        metrics.ORDERS.labels(order.status, order.cancellation.cause if order.cancellation else "").inc()
        seconds = (recorded.occurred_at - order.placed_at).total_seconds()
        metrics.SAGA_DURATION.labels(order.status).observe(seconds)
