"""The use cases: each is one transaction, in which the order and the events about it are stored together."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from chassis import outbox
from chassis.database import Database
from chassis.messages import Event
from pydantic import TypeAdapter
from sqlalchemy import Row, Select, bindparam, delete, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from orders import domain
from orders.domain import Lines, Order, OrderEvent, Status
from orders.tables import idempotency_keys, orders

KEY_RETENTION = timedelta(hours=24)

_LINES: TypeAdapter[Lines] = TypeAdapter(Lines)
_ATTEMPTS = 3
_PRUNED_AT_ONCE = 5_000
_GAVE_UP_WAITING = frozenset({"55P03", "57014"})
"""PostgreSQL's lock_not_available and query_canceled: the lock or the statement took its whole time."""


class OrderNotFound(Exception):
    """There is no such order, or it is somebody else's, which its caller must not learn."""

    def __init__(self, order_id: UUID) -> None:
        super().__init__(f"You have no order {order_id}.")


class KeyReused(Exception):
    """The Idempotency-Key stands for another order already."""

    def __init__(self) -> None:
        super().__init__("You have placed another order under this Idempotency-Key; a new order needs a new key.")


class StillInProgress(Exception):
    """A request with the same Idempotency-Key goes on for longer than a caller should wait."""

    def __init__(self) -> None:
        super().__init__("An earlier request with this Idempotency-Key is not finished; send this one again later.")


class ChangedMeanwhile(Exception):
    """Somebody else has changed the order since it was read."""

    def __init__(self) -> None:
        super().__init__("The order keeps changing; try again.")


async def place(database: Database, *, customer_id: str, lines: Lines, key: str) -> tuple[Order, bool]:
    """The new order and False; or, for a key that was used before, its order as it was placed and True.

    Waits while another transaction places an order under the same key.

    Raises an OrderRefused, KeyReused or StillInProgress.
    """
    order, events = domain.place(order_id=uuid7(), customer_id=customer_id, lines=lines, placed_at=datetime.now(UTC))
    fingerprint = sha256(_LINES.dump_json(lines)).digest()
    async with database.transaction() as tx:
        try:
            given = _row(order) | {"key": key, "fingerprint": fingerprint}
            claim = (await tx.execute(_PLACE, {f"new_{name}": value for name, value in given.items()})).one()
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) in _GAVE_UP_WAITING:
                raise StillInProgress from error
            raise
        if claim.order_id == order.id:
            await _publish(tx, order, events)
            return order, False
        if claim.fingerprint != fingerprint:
            raise KeyReused
        return domain.as_placed(await _find(tx, customer_id, claim.order_id)), True


async def find(database: Database, *, customer_id: str, order_id: UUID) -> Order:
    """Raises OrderNotFound."""
    async with database.connection() as connection:
        return await _find(connection, customer_id, order_id)


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
        return [_order(row) for row in await connection.execute(wanted)]


async def cancel(database: Database, *, customer_id: str, order_id: UUID, reason: str | None) -> Order:
    """The cancelled order. Raises OrderNotFound, NotCancellable or, after some attempts, ChangedMeanwhile."""
    for _ in range(_ATTEMPTS):
        async with database.transaction() as tx:
            before = await _find(tx, customer_id, order_id)
            order, events = domain.cancel(before, reason)
            if not events:
                return order
            if await _replaced(tx, before, order):
                await _publish(tx, order, events)
                return order
    raise ChangedMeanwhile


async def prune_keys(database: Database) -> int:
    """Forgets the keys older than KEY_RETENTION, a bounded number at a time; the number forgotten."""
    key = tuple_(idempotency_keys.c.customer_id, idempotency_keys.c.key)
    old = (
        select(idempotency_keys.c.customer_id, idempotency_keys.c.key)
        .where(idempotency_keys.c.created_at < func.now() - KEY_RETENTION)
        .limit(_PRUNED_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    forgotten = 0
    while True:
        async with database.transaction() as tx:
            result = await tx.execute(delete(idempotency_keys).where(key.in_(old)))
        forgotten += result.rowcount
        if result.rowcount < _PRUNED_AT_ONCE:
            return forgotten


def _place_under_key() -> Select[UUID, bytes]:
    """Claims a key and, when it was free, stores the order: one round trip. Returns what the key stands for.

    Parameters: key, fingerprint and what _row returns, each name after `new_`. The update changes nothing; it makes
    PostgreSQL wait for a concurrent claim of the key and return its row, where DO NOTHING would return none.
    """
    row = {column.name: bindparam(f"new_{column.name}", type_=column.type) for column in orders.c}
    claim = insert(idempotency_keys).values(
        customer_id=row["customer_id"],
        key=bindparam("new_key"),
        fingerprint=bindparam("new_fingerprint"),
        order_id=row["id"],
    )
    claimed = (
        claim.on_conflict_do_update(
            index_elements=[idempotency_keys.c.customer_id, idempotency_keys.c.key],
            set_={"key": claim.excluded.key},
        )
        .returning(idempotency_keys.c.order_id, idempotency_keys.c.fingerprint)
        .cte("claimed")
    )
    if_free = select(*row.values()).where(claimed.c.order_id == row["id"])
    stored = insert(orders).from_select(list(row), if_free).cte("stored")
    return select(claimed.c.order_id, claimed.c.fingerprint).add_cte(stored)


# Made once: to make it takes longer than to execute it.
_PLACE = _place_under_key()


async def _replaced(tx: AsyncConnection, before: Order, after: Order) -> bool:
    """False, and nothing is done, when the order is not what it was before. Waits for whoever is changing it."""
    unchanged = (orders.c.id == before.id) & (orders.c.version == before.version)
    result = await tx.execute(update(orders).where(unchanged).values(_row(after)))
    return result.rowcount == 1


async def _find(connection: AsyncConnection, customer_id: str, order_id: UUID) -> Order:
    wanted = select(orders).where(orders.c.id == order_id, orders.c.customer_id == customer_id)
    row = (await connection.execute(wanted)).one_or_none()
    if row is None:
        raise OrderNotFound(order_id)
    return _order(row)


def _row(order: Order) -> dict[str, Any]:
    return order.model_dump(exclude={"lines", "total"}) | {
        "lines": [line.model_dump() for line in order.lines],
        "total_amount": order.total.amount,
        "currency": order.total.currency,
    }


def _order(row: Row[*tuple[Any, ...]]) -> Order:
    stored = dict(row._mapping)
    total = {"amount": stored.pop("total_amount"), "currency": stored.pop("currency")}
    return Order.model_validate(stored | {"total": total})


async def _publish(tx: AsyncConnection, order: Order, events: Sequence[OrderEvent]) -> None:
    """Each event of one change has a version of its own: the last one has that of the order after it."""
    for sequence, change in enumerate(events, start=order.version - len(events) + 1):
        event = Event(
            id=uuid7(),
            type=change.type,
            source="orders",
            aggregate_id=str(order.id),
            sequence=sequence,
            occurred_at=datetime.now(UTC),
            data=change.model_dump(mode="json"),
        )
        await outbox.publish(tx, event)
