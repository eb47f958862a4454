import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
import sqlalchemy as sa
from chassis import inbox, sql
from chassis.database import Database
from chassis.inbox import ConcurrentDuplicate, SqlInbox
from chassis.messages import Event
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chassis.tests.messaging import count, event, texts, write_down
from tests.fixtures import Postgres, eventually
from tests.mysql import Mysql

Handler = Callable[[AsyncConnection, Event], Awaitable[None]]


async def test_an_event_is_handled_once(database: Database) -> None:
    once, other = event("once"), event("other")
    answers = [await _handle(database, write_down, one) for one in (once, once, other)]
    assert answers == [[True], [False], [True]]
    assert await texts(database) == ["once 1", "other 1"]


async def test_a_batch_is_handled_in_its_order_without_what_was_handled_before(database: Database) -> None:
    before, *others = (event(f"thing-{n}") for n in range(5))
    await _handle(database, write_down, before)
    assert await _handle(database, write_down, others[2], before, *others) == [True, False, True, True, False, True]
    assert await texts(database) == ["thing-0 1", "thing-3 1", "thing-1 1", "thing-2 1", "thing-4 1"]


async def test_a_batch_that_raises_leaves_nothing_and_is_new_again(database: Database) -> None:
    good, bad = event("good"), event("bad")

    async def fail(tx: AsyncConnection, event: Event) -> None:
        await write_down(tx, event)
        raise LookupError

    with pytest.raises(LookupError):
        await SqlInbox(database).handle([(good, write_down), (bad, fail)])
    assert (await texts(database), await count(database, inbox.table)) == ([], 0)
    assert await _handle(database, write_down, good, bad) == [True, True]


async def test_two_copies_handled_at_the_same_time_have_one_effect(
    database: Database, server: Postgres | Mysql
) -> None:
    once = event()
    begun, finish = asyncio.Event(), asyncio.Event()

    async def hold(tx: AsyncConnection, event: Event) -> None:
        await write_down(tx, event)
        begun.set()
        await finish.wait()

    async with asyncio.TaskGroup() as group:
        first = group.create_task(_handle(database, hold, once))
        await begun.wait()
        second = group.create_task(_handle(database, write_down, once))
        await eventually(_somebody_waits_for_a_lock(database, server))
        finish.set()
    assert (first.result(), second.result()) == ([True], [False])
    assert await texts(database) == ["thing-1 1"]


async def test_the_copy_that_waited_is_handled_when_the_first_one_fails(
    database: Database, server: Postgres | Mysql
) -> None:
    once = event()
    begun, finish = asyncio.Event(), asyncio.Event()

    async def hold_and_fail(tx: AsyncConnection, event: Event) -> None:
        await write_down(tx, event)
        begun.set()
        await finish.wait()
        raise LookupError

    failing = asyncio.create_task(_handle(database, hold_and_fail, once))
    await begun.wait()
    waiting = asyncio.create_task(_handle(database, write_down, once))
    await eventually(_somebody_waits_for_a_lock(database, server))
    finish.set()
    with pytest.raises(LookupError):
        await failing
    assert await waiting == [True]
    assert await texts(database) == ["thing-1 1"]


async def test_a_batch_that_meets_a_copy_underway_handles_it_once_or_says_so(
    database: Database, server: Postgres | Mysql
) -> None:
    once, other = event("once"), event("other")
    begun, finish = asyncio.Event(), asyncio.Event()

    async def hold(tx: AsyncConnection, event: Event) -> None:
        await write_down(tx, event)
        begun.set()
        await finish.wait()

    first = asyncio.create_task(_handle(database, hold, once))
    await begun.wait()
    second = asyncio.create_task(_handle(database, write_down, other, once))
    await eventually(_somebody_waits_for_a_lock(database, server))
    finish.set()
    assert await first == [True]
    if database.dialect == "mysql":
        with pytest.raises(ConcurrentDuplicate):
            await second
        assert await _handle(database, write_down, other) == [True]
    else:
        assert await second == [True, False]
    assert sorted(await texts(database)) == ["once 1", "other 1"]


async def test_who_waits_too_long_for_a_copy_underway_gives_up(database: Database) -> None:
    once = event()

    async def wait_for_another(_tx: AsyncConnection, _event: Event) -> None:
        with pytest.raises(sa.exc.DBAPIError, match=r"lock timeout|Lock wait timeout"):
            await _handle(database, write_down, once)

    assert await _handle(database, wait_for_another, once) == [True]


async def test_only_what_is_older_than_the_retention_is_pruned(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "PRUNE_BATCH", 2)
    old, young = [event() for _ in range(5)], event()
    await _handle(database, write_down, *old, young)
    ages = {one.id: inbox.RETENTION.days + 1 for one in old} | {young.id: inbox.RETENTION.days - 1}
    async with database.transaction() as tx:
        for event_id, days in ages.items():
            await tx.execute(
                inbox.table.update()
                .where(inbox.table.c.event_id == event_id)
                .values(received_at=sql.seconds_from_now(-days * 86_400))
            )
    assert await SqlInbox(database).prune() == 5
    assert await _handle(database, write_down, young) == [False]
    assert await count(database, inbox.table) == 1


async def _handle(database: Database, handler: Handler, *events: Event) -> list[bool]:
    return await SqlInbox(database).handle([(one, handler) for one in events])


def _somebody_waits_for_a_lock(database: Database, server: Postgres | Mysql) -> Callable[[], Awaitable[bool]]:
    async def in_postgres() -> bool:
        waiting = sa.text(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        async with database.connection() as connection:
            return bool(await connection.scalar(waiting))

    if not isinstance(server, Mysql):
        return in_postgres
    ask = partial(server.ask, "SELECT true FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'")

    async def in_mysql() -> bool:
        return bool(await asyncio.to_thread(ask))

    return in_mysql
