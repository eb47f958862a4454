import asyncio

import pytest
import sqlalchemy as sa
from chassis import inbox
from chassis.database import Database
from chassis.inbox import first_time

from services.chassis.tests.messaging import count, effects, event, texts
from tests.fixtures import eventually


async def test_an_event_is_new_once(database: Database) -> None:
    once, other = event(), event()
    answers = []
    for one in (once, once, other):
        async with database.transaction() as tx:
            answers.append(await first_time(tx, one))
    assert answers == [True, False, True]


async def test_an_event_whose_handling_failed_is_new_again(database: Database) -> None:
    once = event()

    async def handle_and_fail() -> None:
        async with database.transaction() as tx:
            assert await first_time(tx, once)
            raise LookupError

    with pytest.raises(LookupError):
        await handle_and_fail()
    async with database.transaction() as tx:
        assert await first_time(tx, once)


async def test_two_copies_handled_at_the_same_time_have_one_effect(database: Database) -> None:
    once = event()
    begun, finish = asyncio.Event(), asyncio.Event()

    async def first() -> bool:
        async with database.transaction() as tx:
            new = await first_time(tx, once)
            await tx.execute(effects.insert(), {"text": "done"})
            begun.set()
            await finish.wait()
        return new

    async def second() -> bool:
        await begun.wait()
        async with database.transaction() as tx:
            return await first_time(tx, once)

    async with asyncio.TaskGroup() as group:
        answers = [group.create_task(first()), group.create_task(second())]
        await eventually(lambda: _somebody_waits_for_a_lock(database))
        finish.set()
    assert [answer.result() for answer in answers] == [True, False]
    assert await texts(database) == ["done"]


async def test_the_copy_that_waited_is_new_when_the_first_one_fails(database: Database) -> None:
    once = event()
    begun, finish = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with database.transaction() as tx:
            assert await first_time(tx, once)
            begun.set()
            await finish.wait()
            raise LookupError

    async def second() -> bool:
        await begun.wait()
        async with database.transaction() as tx:
            return await first_time(tx, once)

    failing, waiting = asyncio.create_task(first()), asyncio.create_task(second())
    await eventually(lambda: _somebody_waits_for_a_lock(database))
    finish.set()
    with pytest.raises(LookupError):
        await failing
    assert await waiting


async def test_only_what_is_older_than_the_retention_is_pruned(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "PRUNED_AT_ONCE", 2)
    old, young = [event() for _ in range(5)], event()
    for one in (*old, young):
        async with database.transaction() as tx:
            await first_time(tx, one)
    ages = {one.id: inbox.RETENTION.days + 1 for one in old} | {young.id: inbox.RETENTION.days - 1}
    async with database.transaction() as tx:
        for event_id, days in ages.items():
            await tx.execute(
                inbox.table.update()
                .where(inbox.table.c.event_id == event_id)
                .values(received_at=sa.func.now() - sa.text(f"interval '{days} days'"))
            )
    assert await inbox.prune(database) == 5
    async with database.transaction() as tx:
        assert not await first_time(tx, young)
    assert await count(database, inbox.table) == 1


async def _somebody_waits_for_a_lock(database: Database) -> bool:
    waiting = sa.text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    async with database.connection() as connection:
        return bool(await connection.scalar(waiting))
