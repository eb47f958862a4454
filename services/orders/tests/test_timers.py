"""What happens when nobody answers. The time is the test's own."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from chassis.database import Database
from orders import timers
from orders.tables import sagas
from orders.workers import SagaTimer
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from tests.fixtures import eventually

from .customers import Customer, id_of
from .others import TO_CONFIRMED, TO_PAID, TO_RESERVED, facts, outgoing, say

MINUTES = timedelta(minutes=1)
SECONDS = timedelta(seconds=1)
TICK = timedelta(microseconds=1)


@pytest.fixture(autouse=True)
async def _no_timers(database: Database) -> None:
    """Of the tests before: a round sees to every saga that is due."""
    async with database.transaction() as tx:
        await tx.execute(sagas.delete())


@pytest.fixture
def timer(database: Database) -> SagaTimer:
    return SagaTimer(database)


async def deadline(database: Database, order_id: UUID) -> datetime:
    async with database.connection() as connection:
        found = await connection.scalar(sa.select(sagas.c.deadline).where(sagas.c.order_id == order_id))
    assert isinstance(found, datetime)
    return found


@pytest.mark.parametrize(
    ("reached", "status"),
    [((), "cancelled"), (TO_RESERVED, "cancelling"), (TO_PAID, "cancelling")],
    ids=["placed", "reserved", "paid"],
)
async def test_an_order_that_nobody_answers_is_given_up_after_five_minutes_and_not_before(
    ada: Customer, database: Database, timer: SagaTimer, reached: tuple[str, ...], status: str
) -> None:
    path = await ada.placed()
    await say(database, id_of(path), *reached)
    since = datetime.fromisoformat((await ada.history(path))[-1]["occurred_at"])
    before = (await ada.http.get(path)).json()

    assert await timer.run_once(since + 5 * MINUTES - TICK) == 0
    assert (await ada.http.get(path)).json() == before

    assert await timer.run_once(since + 5 * MINUTES) == 1
    assert (await ada.http.get(path)).json() == before | {
        "status": status,
        "cancellation": {"cause": "timeout", "reason": None},
    }
    assert facts(await outgoing(database, id_of(path)))[-1] == (f"order.{status}", len(reached) + 2)


@pytest.mark.parametrize(
    ("reached", "answer", "event_type"),
    [(TO_PAID, "payment.voided", "order.cancelling"), ((), "stock.released", "order.cancelled")],
    ids=["money", "stock"],
)
async def test_what_compensates_is_asked_for_again_until_there_is_an_answer(
    ada: Customer, database: Database, timer: SagaTimer, reached: tuple[str, ...], answer: str, event_type: str
) -> None:
    path = await ada.placed()
    await say(database, id_of(path), *reached)
    await ada.cancel(path, "ordered twice")
    now = datetime.fromisoformat((await ada.history(path))[-1]["occurred_at"])
    told = await outgoing(database, id_of(path))

    for wait in (5, 10, 20, 40, 60, 60):
        assert await timer.run_once(now + wait * SECONDS - TICK) == 0
        now += wait * SECONDS
        assert await timer.run_once(now) == 1

    first, *repeated = (await outgoing(database, id_of(path)))[len(told) - 1 :]
    assert first["type"] == event_type
    assert len({event["id"] for event in (first, *repeated)}) == 7
    assert [event | {"id": None} for event in repeated] == [first | {"id": None}] * 6

    await say(database, id_of(path), answer)
    await timer.run_once(now + 60 * SECONDS)
    asked = [event["type"] for event in await outgoing(database, id_of(path))].count(event_type)
    assert asked == 7
    assert await ada.told(path) == list(dict.fromkeys(await ada.told(path)))


@pytest.mark.parametrize("messages", [TO_CONFIRMED, ("stock.rejected", "stock.released")], ids=["confirmed", "settled"])
async def test_an_order_that_has_ended_has_no_timer(
    ada: Customer, database: Database, timer: SagaTimer, messages: tuple[str, ...]
) -> None:
    path = await ada.placed()
    await say(database, id_of(path), *messages)
    told = await outgoing(database, id_of(path))

    assert await timer.run_once(datetime.now(UTC) + timedelta(days=1)) == 0
    assert await outgoing(database, id_of(path)) == told


async def test_a_message_sets_the_timer_anew(ada: Customer, database: Database, timer: SagaTimer) -> None:
    order_id = id_of(await ada.placed())
    before = await deadline(database, order_id)

    await say(database, order_id, "stock.reserved")

    assert await deadline(database, order_id) > before
    assert await timer.run_once(before) == 0


async def test_a_round_is_bounded_and_the_next_one_goes_on(
    ada: Customer, database: Database, timer: SagaTimer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timers, "MAX_CLAIMED", 2)
    paths = [await ada.placed() for _ in range(5)]
    now = datetime.now(UTC) + 6 * MINUTES

    assert [await timer.run_once(now) for _ in range(4)] == [2, 2, 1, 0]
    assert {await ada.status(path) for path in paths} == {"cancelled"}


async def test_several_timers_at_once_do_the_work_of_one(ada: Customer, database: Database) -> None:
    paths = [await ada.placed() for _ in range(10)]
    now = datetime.now(UTC) + 6 * MINUTES

    done = await asyncio.gather(*(SagaTimer(database).run_once(now) for _ in range(4)))

    assert sum(done) == 10
    for path in paths:
        assert facts(await outgoing(database, id_of(path))) == [("order.placed", 1), ("order.cancelled", 2)]


async def test_a_saga_that_somebody_holds_is_left_to_them(
    ada: Customer, database: Database, observer: Database, timer: SagaTimer
) -> None:
    held, free = await ada.placed(), await ada.placed()
    now = datetime.now(UTC) + 6 * MINUTES
    async with observer.transaction() as tx:
        await tx.execute(sa.select(sagas).where(sagas.c.order_id == id_of(held)).with_for_update())
        assert await timer.run_once(now) == 1
        assert (await ada.status(held), await ada.status(free)) == ("placed", "cancelled")
    assert await timer.run_once(now) == 1


async def test_what_was_claimed_by_one_that_died_is_seen_to_by_another(
    ada: Customer, database: Database, timer: SagaTimer
) -> None:
    path = await ada.placed()
    now = datetime.now(UTC) + 6 * MINUTES
    assert len(await timers.claim(database, now)) == 1  # and then it dies

    assert await timer.run_once(now + timers.LEASE - TICK) == 0
    assert await timer.run_once(now + timers.LEASE) == 1
    assert await ada.status(path) == "cancelled"


@pytest.mark.parametrize("cancelled", [False, True], ids=["time-out", "repetition"])
async def test_a_message_that_comes_before_the_timer_has_acted_wins(
    ada: Customer, database: Database, cancelled: bool
) -> None:
    path = await ada.placed()
    if cancelled:
        await ada.cancel(path)
    now = datetime.now(UTC) + 6 * MINUTES
    [(order_id, version, attempt)] = await timers.claim(database, now)
    await say(database, id_of(path), "stock.released" if cancelled else "stock.reserved")
    told = await outgoing(database, id_of(path))

    await timers.handle_overdue(database, order_id, version, attempt, now)

    assert await ada.status(path) == ("cancelled" if cancelled else "reserved")
    assert await outgoing(database, id_of(path)) == told


async def test_a_saga_that_cannot_be_understood_is_not_in_the_way_of_the_others(
    ada: Customer, database: Database, timer: SagaTimer
) -> None:
    now = datetime.now(UTC) + 6 * MINUTES
    nobodys = {"order_id": uuid4(), "version": 1, "attempt": 1, "deadline": now - timedelta(days=1)}
    async with database.transaction() as tx:
        await tx.execute(sagas.insert(), nobodys)
    path = await ada.placed()

    with capture_logs() as logs:
        assert await timer.run_once(now) == 2

    assert [entry["event"] for entry in logs] == ["saga_failed"]
    assert await ada.status(path) == "cancelled"
    assert await timer.run_once(now) == 0


async def test_sagas_are_overdue_when_their_time_is_up_or_their_compensation_long_unanswered(
    ada: Customer, database: Database, timer: SagaTimer
) -> None:
    def overdue() -> float | None:
        return REGISTRY.get_sample_value("saga_overdue")

    await ada.placed()
    cancelled = await ada.placed()
    await ada.cancel(cancelled)
    now = datetime.now(UTC)

    await timer.run_once(now)
    assert overdue() == 0
    await timer.run_once(now + 10 * MINUTES)  # the first to look after ten minutes
    assert overdue() == 2

    for _ in range(timers.LONG_UNANSWERED):
        now = await deadline(database, id_of(cancelled))
        await timer.run_once(now)
    await timer.run_once(now + TICK)
    assert overdue() == 2  # both compensations: the first order has timed out


async def test_the_timer_runs_until_it_is_told_to_stop(ada: Customer, database: Database, timer: SagaTimer) -> None:
    path = await ada.placed()
    async with database.transaction() as tx:
        await tx.execute(sagas.update().values(deadline=datetime.now(UTC) - SECONDS))
    stopping = asyncio.Event()
    running: asyncio.Task[Any] = asyncio.create_task(timer.run(stopping))

    async def cancelled() -> bool:
        return await ada.status(path) == "cancelled"

    await eventually(cancelled)
    assert timer.healthy()
    stopping.set()
    await asyncio.wait_for(running, 5)
