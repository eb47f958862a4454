"""The projection can be made anew from the events, while the service goes on."""

import asyncio
import sys
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from chassis.database import Database
from orders import rebuild, streams
from orders.bootstrap import OrdersSettings
from orders.subscriptions import HANDLERS
from orders.tables import orders
from sqlalchemy.exc import DBAPIError

from tests.fixtures import eventually

from .customers import Customer, id_of, line, waiting
from .others import TO_CONFIRMED, TO_PAID, said, say

pytestmark = pytest.mark.slow


async def some_orders(ada: Customer, database: Database) -> list[UUID]:
    """One in each state."""
    ways = [(), TO_PAID[:1], TO_PAID, TO_CONFIRMED, (*TO_PAID, "stock.rejected"), ("stock.rejected", "stock.released")]
    ids = [id_of(await ada.placed(line("TEA", quantity=2), line("CUP"))) for _ in ways]
    for order_id, way in zip(ids, ways, strict=True):
        await say(database, order_id, *way)
    return ids


async def projection(database: Database, order_ids: list[UUID]) -> list[dict[str, Any]]:
    wanted = sa.select(orders).where(orders.c.id.in_(order_ids)).order_by(orders.c.id)
    async with database.connection() as connection:
        return [dict(row._mapping) for row in await connection.execute(wanted)]


async def test_a_rebuilt_projection_is_the_one_before(
    ada: Customer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuild, "STREAMS_PER_BATCH", 4)
    ids = await some_orders(ada, database)
    before = await projection(database, ids)
    assert await rebuild.rebuild(database) >= len(ids)
    assert await projection(database, ids) == before

    async with database.transaction() as tx:
        lost, spoilt = ids[:2], ids[2:]
        await tx.execute(orders.delete().where(orders.c.id.in_(lost)))
        nonsense = {"status": "lost", "total_amount": 0, "lines": [], "settled": True, "customer_id": "nobody"}
        await tx.execute(orders.update().where(orders.c.id.in_(spoilt)).values(nonsense))
    await rebuild.rebuild(database)

    assert await projection(database, ids) == before


async def test_a_change_that_is_made_during_the_rebuild_stays(
    ada: Customer, database: Database, observer: Database
) -> None:
    path = await ada.placed()
    async with observer.transaction() as tx:
        await HANDLERS["stock.reserved"](tx, said("stock.reserved", id_of(path)))
        # It cannot see the event yet, and writes the row as it was.
        rebuilding = asyncio.create_task(rebuild.rebuild(database))

        async def waits() -> bool:
            return await waiting(observer) == 1

        await eventually(waits)
    await rebuilding

    assert await ada.status(path) == "reserved"


@pytest.mark.parametrize("missing", [False, True], ids=["as they are", "lost before"])
async def test_a_rebuild_among_many_changes_leaves_what_the_events_say(
    ada: Customer, database: Database, observer: Database, monkeypatch: pytest.MonkeyPatch, missing: bool
) -> None:
    monkeypatch.setattr(rebuild, "STREAMS_PER_BATCH", 3)
    ids = [id_of(await ada.placed()) for _ in range(12)]
    if missing:
        async with database.transaction() as tx:
            await tx.execute(orders.delete().where(orders.c.id.in_(ids)))

    async def go_on() -> None:
        for event_type in TO_CONFIRMED:
            await asyncio.gather(*(say(database, order_id, event_type) for order_id in ids))

    await asyncio.gather(go_on(), rebuild.rebuild(observer), rebuild.rebuild(observer))

    during = await projection(database, ids)
    assert {row["status"] for row in during} == {"confirmed"}
    assert len(during) == len(ids)
    await rebuild.rebuild(database)
    assert await projection(database, ids) == during


async def test_a_rebuild_that_has_to_give_way_to_a_message_tries_again(
    ada: Customer, database: Database, observer: Database
) -> None:
    first, second = sorted([id_of(await ada.placed()), id_of(await ada.placed())])

    def locked(order_id: UUID) -> sa.Select[tuple[UUID]]:
        return sa.select(orders.c.id).where(orders.c.id == order_id).with_for_update()

    # PostgreSQL breaks off who has waited longer: on a machine that stands still, that may be us.
    with suppress(DBAPIError):
        async with observer.transaction() as tx:
            await tx.execute(locked(second))
            rebuilding = asyncio.create_task(rebuild.rebuild(database))

            async def waits() -> bool:
                return await waiting(observer) == 1

            await eventually(waits)
            await tx.execute(locked(first))  # which the rebuild holds
    await rebuilding


async def test_the_command_rebuilds_and_ends(ada: Customer, database: Database, settings: OrdersSettings) -> None:
    path = await ada.placed()
    async with database.transaction() as tx:
        await tx.execute(orders.update().where(orders.c.id == id_of(path)).values(status="lost"))
    environment = {
        name.upper(): getattr(value, "get_secret_value", lambda value=value: str(value))()
        for name, value in settings
        if value is not None and name != "token_audience"
    }

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-m", "orders", "rebuild", env=environment | {"TOKEN_AUDIENCE": "shop"}
    )

    assert await asyncio.wait_for(process.wait(), 30) == 0
    assert await ada.status(path) == "placed"
    async with database.connection() as connection:
        assert len(await streams.history(connection, id_of(path))) == 1
