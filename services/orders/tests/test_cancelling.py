"""Cancelling an order, alone and against others."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from chassis import outbox
from chassis.database import Database
from orders import handlers
from orders.tables import orders

from tests.fixtures import eventually

from .customers import Customer, waiting


def id_of(path: str) -> UUID:
    return UUID(path.removeprefix("/orders/"))


async def events_of(database: Database, path: str) -> list[dict[str, Any]]:
    body = sa.cast(outbox.table.c.body, sa.JSON)
    of_order = outbox.table.c.aggregate_id == str(id_of(path))
    async with database.connection() as connection:
        return list(await connection.scalars(sa.select(body).where(of_order).order_by(outbox.table.c.position)))


async def status_of(database: Database, path: str) -> tuple[str, int]:
    async with database.connection() as connection:
        found = await connection.execute(sa.select(orders.c.status, orders.c.version).where(orders.c.id == id_of(path)))
        status, version = found.one()
        return status, version


async def test_a_cancelled_order_keeps_its_reason_and_says_so_in_an_event(ada: Customer, database: Database) -> None:
    path = await ada.placed()
    before = (await ada.http.get(path)).json()

    answer = await ada.cancel(path, "ordered twice")

    assert answer.status_code == 200
    assert answer.json() == before | {"status": "cancelled", "cancellation_reason": "ordered twice"}
    assert (await ada.http.get(path)).json() == answer.json()
    placed, cancelled = await events_of(database, path)
    assert (placed["type"], placed["sequence"]) == ("order.placed", 1)
    assert (cancelled["type"], cancelled["sequence"]) == ("order.cancelled", 2)
    assert cancelled["data"] == {"order_id": before["id"], "customer_id": ada.name, "reason": "ordered twice"}


async def test_an_order_can_be_cancelled_without_a_reason_and_without_a_body(ada: Customer) -> None:
    answer = await ada.http.post(f"{await ada.placed()}/cancellation")

    assert (answer.status_code, answer.json()["cancellation_reason"]) == (200, None)


async def test_cancelling_twice_changes_nothing_the_second_time(ada: Customer, database: Database) -> None:
    path = await ada.placed()

    first, second = await ada.cancel(path, "first"), await ada.cancel(path, "second")

    assert (second.status_code, second.content) == (200, first.content)
    assert [event["type"] for event in await events_of(database, path)] == ["order.placed", "order.cancelled"]


async def test_many_at_once_cancel_an_order_once(ada: Customer, database: Database, observer: Database) -> None:
    path = await ada.placed()
    async with observer.transaction() as tx:
        await tx.execute(sa.select(orders.c.id).where(orders.c.id == id_of(path)).with_for_update())
        cancelling = [asyncio.create_task(ada.cancel(path, f"reason {number}")) for number in range(10)]
        await eventually(lambda: all_wait(observer, database.pool_size))
    answers = await asyncio.gather(*cancelling)

    assert [answer.status_code for answer in answers] == [200] * 10
    assert len({answer.content for answer in answers}) == 1
    assert [event["sequence"] for event in await events_of(database, path)] == [1, 2]
    assert await status_of(database, path) == ("cancelled", 2)


async def test_a_confirmed_order_cannot_be_cancelled(ada: Customer, database: Database) -> None:
    path = await ada.placed()
    async with database.transaction() as tx:
        await tx.execute(confirm(path))

    answer = await ada.cancel(path)

    assert (answer.status_code, answer.json()["title"]) == (409, "Order cannot be cancelled")
    assert answer.json()["detail"] == "The order is confirmed; only a placed order can be cancelled."
    assert await status_of(database, path) == ("confirmed", 2)


async def test_a_cancellation_does_not_undo_a_change_made_while_it_was_under_way(
    ada: Customer, database: Database, observer: Database
) -> None:
    path = await ada.placed()
    async with observer.transaction() as tx:
        await tx.execute(confirm(path))
        cancelling = asyncio.create_task(ada.cancel(path))
        await eventually(lambda: all_wait(observer, 1))

    assert (await cancelling).status_code == 409
    assert await status_of(database, path) == ("confirmed", 2)
    assert [event["type"] for event in await events_of(database, path)] == ["order.placed"]


async def test_a_cancellation_is_made_to_what_a_change_under_way_leaves_behind(
    ada: Customer, database: Database, observer: Database
) -> None:
    path = await ada.placed()
    async with observer.transaction() as tx:
        await tx.execute(orders.update().where(orders.c.id == id_of(path)).values(version=2))
        cancelling = asyncio.create_task(ada.cancel(path))
        await eventually(lambda: all_wait(observer, 1))

    assert (await cancelling).status_code == 200
    assert await status_of(database, path) == ("cancelled", 3)
    assert [event["sequence"] for event in await events_of(database, path)] == [1, 3]


async def test_a_cancellation_that_always_comes_too_late_gives_up(
    ada: Customer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def too_late(*_: Any) -> bool:
        return False

    path = await ada.placed()
    monkeypatch.setattr(handlers, "_replaced", too_late)
    answer = await ada.cancel(path)

    assert (answer.status_code, answer.json()["title"]) == (409, "Order changed meanwhile")
    assert await status_of(database, path) == ("placed", 1)


def confirm(path: str) -> sa.Update:
    return orders.update().where(orders.c.id == id_of(path)).values(status="confirmed", version=2)


async def all_wait(observer: Database, count: int) -> bool:
    return await waiting(observer) == count
