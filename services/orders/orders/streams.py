"""The event store. One statement appends an event to a stream and updates everything that is derived from it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from chassis import outbox
from chassis.database import Database
from chassis.messages import Event
from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Select,
    Uuid,
    bindparam,
    delete,
    func,
    literal,
    literal_column,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from orders import event_schemas, projection
from orders.domain import saga
from orders.domain.order import Order, OrderEvent, Recorded, after, placed
from orders.projection import Rows
from orders.tables import events, idempotency_keys, sagas, snapshots

SNAPSHOT_EVERY = 5
"""Events. The streams of today end at six, so to read them from a snapshot gains little: it is low so that snapshots
are in use every day, and not on the day for the first time when they are needed."""
SNAPSHOT_SCHEMA = 1
"""Raise it with each change of the shape of Order: a snapshot of another shape is not read."""

_SNAPSHOT = "snapshot"


async def load(connection: AsyncConnection, order_id: UUID) -> Order | None:
    """The order, replayed from its newest snapshot and the events after that; None when there is no such stream."""
    wanted = {"of_order": order_id, "snapshot_schema": SNAPSHOT_SCHEMA}
    rows = (await connection.execute(_LOAD, wanted)).all()
    if not rows:
        return None
    first, *rest = rows
    order = Order.model_validate(first.data) if first.type == _SNAPSHOT else placed(order_id, recorded(first))
    for row in rest:
        order = after(order, recorded(row))
    return order


async def history(connection: AsyncConnection, order_id: UUID) -> list[Recorded]:
    """The whole stream; empty when there is none."""
    return [recorded(row) for row in await connection.execute(_HISTORY, {"of_order": order_id})]


async def append(
    tx: AsyncConnection, order: Order, happened: OrderEvent, now: datetime
) -> tuple[Order, Recorded] | None:
    """The order after the event, and the event as it was recorded.

    Returns None, and appends nothing, when another transaction has appended an event since `order` was read. Waits for
    a concurrent append to end.
    """
    following = Recorded(version=order.version + 1, occurred_at=now, event=happened)
    order = after(order, following)
    statement = _APPEND_LAST if order.ended else _APPEND
    if (await tx.execute(statement, _parameters(order, following))).first() is None:
        return None
    if order.version % SNAPSHOT_EVERY == 0:
        await tx.execute(_TAKE_SNAPSHOT, _snapshot(order, now))
    return order, following


async def begin(
    database: Database, order: Order, first: Recorded, told: Event, *, key: str, fingerprint: bytes
) -> tuple[UUID, bytes]:
    """Claims the Idempotency-Key for a new order; if the key was free, begins the order's stream and stores the event.

    It is one statement, and so one transaction. Waits for a concurrent claim of the same key.

    Returns the id of the order that the key belongs to, and the fingerprint of the request that has claimed it.
    """
    claim = {"key": key, "fingerprint": fingerprint}
    async with database.autocommit() as connection:
        result = await connection.execute(_BEGIN, _parameters(order, first) | outbox.parameters(told) | claim)
        claimed = result.one()
    if claimed.order_id == order.id:
        database.outbox_signal.set()
    return claimed.order_id, claimed.fingerprint


def recorded(row: Rows) -> Recorded:
    """The event of a row of the table."""
    event = event_schemas.decoded(row.type, row.schema_version, row.data)
    return Recorded(version=row.version, occurred_at=row.occurred_at, event=event)


def _parameters(order: Order, following: Recorded) -> dict[str, Any]:
    encoded = event_schemas.encoded(following.event)
    return projection.row(order) | {
        "event_version": following.version,
        "event_type": encoded.type,
        "event_schema_version": encoded.schema_version,
        "event_data": encoded.data,
        "event_occurred_at": following.occurred_at,
        "saga_deadline": saga.deadline(order, following.occurred_at),
    }


def _snapshot(order: Order, now: datetime) -> dict[str, Any]:
    return {
        "order_id": order.id,
        "version": order.version,
        "schema_version": SNAPSHOT_SCHEMA,
        "state": order.model_dump(mode="json"),
        "taken_at": now,
    }


def _load() -> Select[Any]:
    """The newest snapshot, if there is one, and the events that follow it."""
    usable = (snapshots.c.order_id == bindparam("of_order")) & (
        snapshots.c.schema_version == bindparam("snapshot_schema")
    )
    snapshot = select(
        snapshots.c.version,
        literal_column(f"'{_SNAPSHOT}'").label("type"),
        snapshots.c.schema_version,
        snapshots.c.state.label("data"),
        snapshots.c.taken_at.label("occurred_at"),
    ).where(usable)
    known = func.coalesce(select(snapshots.c.version).where(usable).scalar_subquery(), 0)
    following = _stream().where(events.c.version > known)
    return select(union_all(snapshot, following).subquery("stream")).order_by("version")


def _stream() -> Select[Any]:
    columns = (events.c.version, events.c.type, events.c.schema_version, events.c.data, events.c.occurred_at)
    return select(*columns).where(events.c.order_id == bindparam("of_order"))


_ORDER_ID = bindparam("order_id", type_=Uuid)


def _append(*, last: bool) -> Select[Any]:
    """The id of the order; no row, and nothing done, when the version is there already."""
    appended = _appended()
    timed = _timer_removed(appended) if last else _timer_set(appended)
    return select(appended.c.order_id).add_cte(_projected(appended), timed)


def _begin() -> Select[Any]:
    """What the key stands for. The stream begins when that is this order.

    The update of the key changes nothing; it makes PostgreSQL wait for a concurrent claim of the key and return its
    row, where DO NOTHING would return none.
    """
    keys = idempotency_keys.c
    claim = insert(idempotency_keys).values(
        customer_id=bindparam("order_customer_id", type_=keys.customer_id.type),
        key=bindparam("key", type_=keys.key.type),
        fingerprint=bindparam("fingerprint", type_=keys.fingerprint.type),
        order_id=_ORDER_ID,
        created_at=bindparam("event_occurred_at", type_=keys.created_at.type),
    )
    claimed = (
        claim.on_conflict_do_update(index_elements=[keys.customer_id, keys.key], set_={"key": claim.excluded.key})
        .returning(keys.order_id, keys.fingerprint)
        .cte("claimed")
    )
    appended = _appended(claimed, claimed.c.order_id == _ORDER_ID)
    told = outbox.published_with(appended).cte("told")
    return select(claimed.c.order_id, claimed.c.fingerprint).add_cte(_projected(appended), _timer_set(appended), told)


def _appended(source: FromClause | None = None, condition: ColumnElement[bool] | None = None) -> CTE:
    values = {
        "order_id": _ORDER_ID,
        **{
            column.name: bindparam(f"event_{column.name}", type_=column.type)
            for column in events.c
            if column.name != "order_id"
        },
    }
    row = select(*values.values())
    if source is not None and condition is not None:
        row = row.select_from(source).where(condition)
    return (
        insert(events)
        .from_select(list(values), row)
        .on_conflict_do_nothing()
        .returning(events.c.order_id)
        .cte("appended")
    )


def _projected(appended: CTE) -> CTE:
    return projection.write(appended).cte("projected")


def _timer_set(appended: CTE) -> CTE:
    """Sets the timer of the order, which belongs to the version of the event."""
    values = {
        "order_id": appended.c.order_id,
        "version": bindparam("event_version", type_=sagas.c.version.type),
        "deadline": bindparam("saga_deadline", type_=sagas.c.deadline.type),
        "attempt": literal(1, sagas.c.attempt.type),
    }
    statement = insert(sagas).from_select(list(values), select(*values.values()))
    changed = {name: statement.excluded[name] for name in values if name != "order_id"}
    return statement.on_conflict_do_update(index_elements=[sagas.c.order_id], set_=changed).cte("timed")


def _timer_removed(appended: CTE) -> CTE:
    return delete(sagas).where(sagas.c.order_id == appended.c.order_id).cte("untimed")


def _take_snapshot() -> Any:
    statement = insert(snapshots)
    changed = {column.name: statement.excluded[column.name] for column in snapshots.c if column.name != "order_id"}
    return statement.on_conflict_do_update(index_elements=[snapshots.c.order_id], set_=changed)


# Made once: to make one takes longer than to execute it.
_LOAD = _load()
_HISTORY = _stream().order_by(events.c.version)
_APPEND = _append(last=False)
_APPEND_LAST = _append(last=True)
_BEGIN = _begin()
_TAKE_SNAPSHOT = _take_snapshot()
