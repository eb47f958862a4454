"""The work beside the requests."""

import asyncio

import pytest
import sqlalchemy as sa
from chassis.database import Database
from orders.tables import idempotency_keys
from orders.workers import KeyPruner, SagaTimer
from structlog.testing import capture_logs

from tests.fixtures import eventually

from .customers import Customer


async def test_the_pruner_forgets_old_keys_and_stops_when_it_is_told_to(ada: Customer, database: Database) -> None:
    await ada.place(key="old")
    of_ada = idempotency_keys.c.customer_id == ada.name
    async with database.transaction() as tx:
        long_ago = sa.func.now() - sa.text("interval '2 days'")
        await tx.execute(idempotency_keys.update().where(of_ada).values(created_at=long_ago))

    async def forgotten() -> bool:
        async with database.connection() as connection:
            return (await connection.execute(sa.select(idempotency_keys).where(of_ada))).first() is None

    stopping = asyncio.Event()
    pruning = asyncio.create_task(KeyPruner(database).run(stopping))
    await eventually(forgotten)
    stopping.set()
    await asyncio.wait_for(pruning, 5)


@pytest.mark.parametrize("kind", [KeyPruner, SagaTimer])
async def test_a_worker_outlives_a_database_that_is_down(kind: type[KeyPruner] | type[SagaTimer]) -> None:
    nowhere = Database("postgresql://orders@127.0.0.1:1/orders")
    await nowhere.open()
    worker = kind(nowhere)
    stopping = asyncio.Event()

    with capture_logs() as logs:
        working = asyncio.create_task(worker.run(stopping))

        async def told() -> bool:
            return "round_failed" in [entry["event"] for entry in logs]

        await eventually(told)
    assert not working.done()
    assert worker.healthy()
    stopping.set()
    await asyncio.wait_for(working, 5)
    await nowhere.close()
