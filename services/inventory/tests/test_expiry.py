"""Reservations that nobody pays for in time give their stock back, once and quietly."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from chassis.database import Database
from inventory import handlers
from inventory.domain import RESERVED_FOR
from inventory.workers import ReservationExpirer
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from tests.fixtures import eventually

from .warehouse import NOON, Warehouse, cancelled, paid, placed

DUE = NOON + RESERVED_FOR


async def test_a_reservation_expires_when_its_time_is_over_and_not_before(
    warehouse: Warehouse, database: Database
) -> None:
    expirer = ReservationExpirer(database)
    await warehouse.fill(TEA=5)
    await warehouse.hear(placed(uuid4(), TEA=2), now=NOON)

    assert await expirer.run_once(DUE - timedelta(microseconds=1)) == 0
    assert await warehouse.stock("TEA") == (5, 2)
    assert await expirer.run_once(DUE) == 1
    assert await warehouse.stock("TEA") == (5, 0)
    assert await warehouse.states() == ["expired"]
    assert await expirer.run_once(DUE) == 0


async def test_nobody_is_told_that_a_reservation_expired(warehouse: Warehouse) -> None:
    order = uuid4()
    await warehouse.fill(TEA=5)
    await warehouse.hear(placed(order, TEA=2), now=NOON)

    await warehouse.expire(DUE)

    assert await warehouse.told(order) == [("stock.reserved", 1)]


async def test_only_what_is_reserved_expires(warehouse: Warehouse) -> None:
    bought, given_up, short = uuid4(), uuid4(), uuid4()
    await warehouse.fill(TEA=5)
    for order, pieces in ((bought, 1), (given_up, 1), (short, 9)):
        await warehouse.hear(placed(order, TEA=pieces), now=NOON)
    await warehouse.hear(paid(bought), cancelled(given_up))

    assert await warehouse.expire(DUE) == 0
    assert await warehouse.states() == ["committed", "rejected", "released"]
    assert await warehouse.stock("TEA") == (4, 0)


async def test_a_round_takes_a_bounded_number_the_oldest_first(warehouse: Warehouse) -> None:
    await warehouse.fill(TEA=10, CUP=10)
    for minute in (2, 0, 1):
        await warehouse.hear(placed(uuid4(), TEA=minute + 1, CUP=1), now=NOON + timedelta(minutes=minute))

    assert await warehouse.expire(DUE + timedelta(hours=1), at_most=2) == 2
    assert await warehouse.all_stock() == {"TEA": (10, 3), "CUP": (10, 1)}
    assert await warehouse.expire(DUE + timedelta(hours=1), at_most=2) == 1


async def test_a_reservation_that_somebody_works_on_is_left_to_the_next_round(
    warehouse: Warehouse, make_database: Callable[[], Awaitable[Database]]
) -> None:
    order = uuid4()
    await warehouse.fill(TEA=5, CUP=5)
    await warehouse.hear(placed(order, TEA=2), placed(uuid4(), CUP=1), now=NOON)

    async with (await make_database()).transaction() as tx:
        await handlers.order_paid(tx, paid(order))
        assert await warehouse.expire(DUE) == 1

    assert await warehouse.states() == ["committed", "expired"]
    assert await warehouse.all_stock() == {"TEA": (3, 0), "CUP": (5, 0)}


async def test_who_expires_and_who_pays_wait_for_each_other_in_no_circle(
    warehouse: Warehouse, make_database: Callable[[], Awaitable[Database]]
) -> None:
    order = uuid4()
    await warehouse.fill(TEA=5)
    await warehouse.hear(placed(order, TEA=2), placed(uuid4(), TEA=1), now=NOON)

    async with (await make_database()).transaction() as tx:
        await handlers.order_paid(tx, paid(order))
        expiring = asyncio.create_task(warehouse.expire(DUE))
        await asyncio.wait([expiring], timeout=0.3)
        assert not expiring.done()

    assert await expiring == 1
    assert await warehouse.states() == ["committed", "expired"]
    assert await warehouse.stock("TEA") == (3, 0)


async def test_what_expired_is_counted(warehouse: Warehouse) -> None:
    def counted() -> float:
        return REGISTRY.get_sample_value("reservations_expired_total") or 0

    before = counted()
    await warehouse.fill(TEA=5)
    await warehouse.hear(placed(uuid4(), TEA=1), placed(uuid4(), TEA=1), now=NOON)

    await warehouse.expire(DUE)

    assert counted() == before + 2


async def test_the_worker_expires_what_is_due_until_it_is_told_to_stop(
    warehouse: Warehouse, database: Database
) -> None:
    await warehouse.fill(TEA=5)
    await warehouse.hear(placed(uuid4(), TEA=2), now=datetime.now(UTC) - RESERVED_FOR)
    expirer = ReservationExpirer(database)
    stopping = asyncio.Event()

    working = asyncio.create_task(expirer.run(stopping))

    async def given_back() -> bool:
        return await warehouse.stock("TEA") == (5, 0)

    await eventually(given_back)
    assert expirer.healthy()
    stopping.set()
    await asyncio.wait_for(working, 5)


async def test_the_worker_outlives_a_database_that_is_down() -> None:
    nowhere = Database("postgresql://inventory@127.0.0.1:1/inventory")
    await nowhere.open()
    expirer = ReservationExpirer(nowhere)
    stopping = asyncio.Event()

    with capture_logs() as logs:
        working = asyncio.create_task(expirer.run(stopping))

        async def told() -> bool:
            return [entry["event"] for entry in logs] == ["reservations_not_expired"]

        await eventually(told)
    assert not working.done()
    assert expirer.healthy()
    stopping.set()
    await asyncio.wait_for(working, 5)
    await nowhere.close()
