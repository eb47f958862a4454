"""The store of events: append-only, one writer at a time, snapshots, and events of an older shape."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from chassis.database import Database
from orders import event_schemas, streams
from orders.domain.order import OrderConfirmed, OrderSettled, PaymentCaptured, Status, StockReserved, replay
from orders.event_schemas import Schema
from orders.tables import events, sagas, snapshots
from sqlalchemy.exc import DBAPIError

from .customers import Customer, id_of
from .others import TO_CONFIRMED, TO_PAID, say

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET version = version + 100 WHERE order_id = :id",
        "DELETE FROM events WHERE order_id = :id",
        "TRUNCATE events",
    ],
)
async def test_the_database_refuses_to_change_what_has_happened(
    ada: Customer, database: Database, statement: str
) -> None:
    path = await ada.placed()

    with pytest.raises(DBAPIError, match="events is append-only"):
        async with database.transaction() as tx:
            await tx.execute(sa.text(statement).bindparams(*([sa.bindparam("id", id_of(path))] * (":id" in statement))))

    assert await ada.told(path) == ["order.placed"]


async def test_of_two_who_read_the_same_version_one_writes_the_next(ada: Customer, database: Database) -> None:
    order_id = id_of(await ada.placed())
    async with database.transaction() as tx:
        order = await streams.load(tx, order_id)
        assert order is not None
        assert await streams.append(tx, order, StockReserved(expires_at=NOON), NOON) is not None
    before = await row_of(database, sagas, order_id)

    async with database.transaction() as tx:
        assert await streams.append(tx, order, OrderConfirmed(), NOON) is None

    assert await ada.status(f"/orders/{order_id}") == "reserved"
    assert await row_of(database, sagas, order_id) == before


async def test_a_long_stream_is_read_from_its_snapshot(ada: Customer, database: Database) -> None:
    order_id = id_of(await ada.placed())
    await say(database, order_id, *TO_PAID, "stock.rejected", "payment.refunded")
    taken = await row_of(database, snapshots, order_id)
    assert (taken["version"], taken["schema_version"]) == (streams.SNAPSHOT_EVERY, streams.SNAPSHOT_SCHEMA)
    async with database.transaction() as tx:
        marked = taken["state"] | {"customer_id": "read from the snapshot"}
        await tx.execute(snapshots.update().where(snapshots.c.order_id == order_id).values(state=marked))

    await say(database, order_id, "stock.released")

    async with database.connection() as connection:
        order = await streams.load(connection, order_id)
        whole = replay(order_id, await streams.history(connection, order_id))
    assert order == whole.model_copy(update={"customer_id": "read from the snapshot"})
    assert (whole.status, whole.settled, whole.version) == (Status.CANCELLED, True, streams.SNAPSHOT_EVERY + 1)


async def test_a_short_stream_has_no_snapshot(ada: Customer, database: Database) -> None:
    order_id = id_of(await ada.placed())
    await say(database, order_id, *TO_CONFIRMED)

    with pytest.raises(sa.exc.NoResultFound):
        await row_of(database, snapshots, order_id)


async def test_a_snapshot_is_taken_at_every_so_many_events_and_only_the_newest_kept(
    ada: Customer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "SNAPSHOT_EVERY", 2)
    order_id = id_of(await ada.placed())
    taken = []
    for event_type in TO_CONFIRMED:
        await say(database, order_id, event_type)
        taken.append((await row_of(database, snapshots, order_id))["version"])
        async with database.connection() as connection:
            history = await streams.history(connection, order_id)
            assert await streams.load(connection, order_id) == replay(order_id, history)

    assert taken == [2, 2, 4]


async def test_a_snapshot_of_another_shape_is_not_read(
    ada: Customer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "SNAPSHOT_EVERY", 2)
    order_id = id_of(await ada.placed())
    await say(database, order_id, *TO_PAID)
    async with database.transaction() as tx:
        other = snapshots.update().where(snapshots.c.order_id == order_id)
        await tx.execute(other.values(state={"shape": "of yesterday"}, schema_version=streams.SNAPSHOT_SCHEMA - 1))

    await say(database, order_id, "stock.committed")

    assert await ada.status(f"/orders/{order_id}") == "confirmed"
    assert (await row_of(database, snapshots, order_id))["schema_version"] == streams.SNAPSHOT_SCHEMA


async def test_events_of_older_shapes_are_brought_up_version_by_version(
    ada: Customer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def renamed(data: dict[str, Any]) -> dict[str, Any]:
        return {"expiry": data["until"]}

    def renamed_again(data: dict[str, Any]) -> dict[str, Any]:
        return {"expires_at": data["expiry"]}

    newest = Schema(model=StockReserved, version=3, upcast={1: renamed, 2: renamed_again})
    monkeypatch.setitem(event_schemas.SCHEMAS, "stock_reserved", newest)
    paths = [await ada.placed() for _ in range(3)]
    old = [(1, {"until": NOON.isoformat()}), (2, {"expiry": NOON.isoformat()}), (3, {"expires_at": NOON.isoformat()})]
    async with database.transaction() as tx:
        for path, (schema_version, data) in zip(paths, old, strict=True):
            row = {"order_id": id_of(path), "version": 2, "type": "stock_reserved", "occurred_at": NOON}
            await tx.execute(events.insert(), row | {"schema_version": schema_version, "data": data})

    async with database.connection() as connection:
        for path in paths:
            second = (await streams.history(connection, id_of(path)))[1]
            assert second.event == StockReserved(expires_at=NOON)
    for path in paths:
        await say(database, id_of(path), "payment.captured")
        assert await ada.told(path) == ["order.placed", "order.reserved", "order.paid"]
    assert event_schemas.encoded(StockReserved(expires_at=NOON)).schema_version == 3


def test_an_event_of_an_unknown_shape_is_not_guessed_at() -> None:
    for name, version in (("misplaced", 1), ("confirmed", 2)):
        with pytest.raises(event_schemas.UnknownSchema):
            event_schemas.decoded(name, version, {})


def test_every_event_comes_back_from_the_store_as_it_went_in() -> None:
    price = {"amount": 250, "currency": "EUR"}
    captured = PaymentCaptured.model_validate({"payment_id": "p1", "amount": price})
    for event in (StockReserved(expires_at=NOON), captured, OrderConfirmed(), OrderSettled()):
        assert event_schemas.decoded(*event_schemas.encoded(event)) == event


async def row_of(database: Database, table: sa.Table, order_id: UUID) -> dict[str, Any]:
    async with database.connection() as connection:
        row = (await connection.execute(sa.select(table).where(table.c.order_id == order_id))).one()
    return dict(row._mapping)
