"""What the tests say to the service and ask of it, and the orders that they are about."""

import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from chassis import outbox
from chassis.database import Database
from chassis.messages import Event
from inventory import handlers
from inventory.inbox import StockInbox
from inventory.subscriptions import HANDLERS
from inventory.tables import reservations, stock

STAFF: dict[str, Any] = {"cognito:groups": ["staff"]}
"""Claims of the tokens of those who run the shop."""
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def placed(order_id: UUID, /, **lines: int) -> Event:
    """An order of so many pieces of each SKU, in this order of lines."""
    price = {"amount": 250, "currency": "EUR"}
    listed = [{"sku": sku, "quantity": quantity, "unit_price": price} for sku, quantity in lines.items()]
    return _event("order.placed", order_id, lines=listed, total=price, payment_method="card")


def paid(order_id: UUID) -> Event:
    return _event("order.paid", order_id)


def cancelled(order_id: UUID) -> Event:
    return _event("order.cancelled", order_id, cause="customer", reason=None)


def _event(event_type: str, order_id: UUID, **data: Any) -> Event:
    """An event of its own each time, as orders repeats a fact under another id."""
    return Event(
        id=uuid4(),
        type=event_type,
        source="orders",
        aggregate_id=str(order_id),
        sequence=1,
        occurred_at=NOON,
        data={"order_id": str(order_id), "customer_id": "ada", **data},
    )


@dataclass(frozen=True)
class Warehouse:
    """The service as its neighbours see it, by one database."""

    database: Database

    async def fill(self, **on_hand: int) -> None:
        for sku, pieces in on_hand.items():
            await handlers.set_on_hand(self.database, sku, pieces)

    async def hear(self, *events: Event, now: datetime | None = None) -> list[bool]:
        """Handles all the events in one transaction, at `now`, as a consumer does; whether each was new."""
        moment = {} if now is None else {"now": now}
        return await StockInbox(self.database).handle([(one, partial(HANDLERS[one.type], **moment)) for one in events])

    async def expire(self, now: datetime, at_most: int = handlers.EXPIRE_BATCH) -> int:
        return await handlers.expire(self.database, now, at_most)

    async def stock(self, sku: str) -> tuple[int, int]:
        """How many pieces are on hand, and how many of them reserved."""
        found = await handlers.find(self.database, sku)
        return found.on_hand, found.reserved

    async def states(self) -> list[str]:
        """Of all reservations, sorted."""
        async with self.database.connection() as connection:
            return sorted(await connection.scalars(sa.select(reservations.c.state)))

    async def held(self, state: str) -> Counter[str]:
        """The pieces of each SKU in the lines of all reservations of the state."""
        of_state = sa.select(reservations.c.lines).where(reservations.c.state == state)
        held: Counter[str] = Counter()
        async with self.database.connection() as connection:
            for lines in await connection.scalars(of_state):
                held.update(lines)
        return held

    async def all_stock(self) -> dict[str, tuple[int, int]]:
        """(on hand, reserved) of each SKU."""
        async with self.database.connection() as connection:
            rows = await connection.execute(sa.select(stock.c.sku, stock.c.on_hand, stock.c.reserved))
            return {sku: (on_hand, reserved) for sku, on_hand, reserved in rows}

    async def published(self, *order_ids: UUID) -> list[Event]:
        """All events about the orders, oldest first."""
        about = outbox.table.c.aggregate_id.in_(list(map(str, order_ids)))
        stored = sa.select(outbox.table.c.body).where(about).order_by(outbox.table.c.position)
        async with self.database.connection() as connection:
            return [Event.model_validate_json(body) for body in await connection.scalars(stored)]

    async def told(self, order_id: UUID) -> list[tuple[str, int]]:
        """Type and sequence of all events about the order, oldest first."""
        return [(event.type, event.sequence) for event in await self.published(order_id)]


def as_json(event: Event) -> dict[str, Any]:
    """What two copies of one fact have in common."""
    document: dict[str, Any] = json.loads(event.to_json())
    return {name: value for name, value in document.items() if name not in ("id", "occurred_at")}
