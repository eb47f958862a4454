"""Cancelling an order, alone and against others."""

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa
from chassis.database import Database
from orders import streams
from orders.subscriptions import HANDLERS
from orders.tables import orders

from tests.fixtures import eventually

from .customers import Customer, id_of, waiting
from .others import TO_CONFIRMED, TO_PAID, TO_RESERVED, deliver, facts, outgoing, said, say


async def test_a_placed_order_is_cancelled_at_once_and_says_why_in_an_event(ada: Customer, database: Database) -> None:
    path = await ada.placed()
    before = (await ada.http.get(path)).json()

    answer = await ada.cancel(path, "ordered twice")

    why = {"cause": "customer", "reason": "ordered twice"}
    assert answer.status_code == 200
    assert answer.json() == before | {"status": "cancelled", "cancellation": why}
    assert (await ada.http.get(path)).json() == answer.json()
    placed, cancelled = await outgoing(database, id_of(path))
    assert facts([placed, cancelled]) == [("order.placed", 1), ("order.cancelled", 2)]
    assert cancelled["data"] == {"order_id": before["id"], "customer_id": ada.name} | why


@pytest.mark.parametrize("reached", [TO_RESERVED, TO_PAID], ids=["reserved", "paid"])
async def test_of_an_order_that_may_be_paid_the_money_comes_back_first(
    ada: Customer, database: Database, reached: tuple[str, ...]
) -> None:
    path = await ada.placed()
    await say(database, id_of(path), *reached)
    why = {"cause": "customer", "reason": "ordered twice"}

    answer = await ada.cancel(path, "ordered twice")
    assert (answer.status_code, answer.json()["status"], answer.json()["cancellation"]) == (200, "cancelling", why)

    await say(database, id_of(path), "payment.refunded")
    assert (await ada.http.get(path)).json() == answer.json() | {"status": "cancelled"}
    *_, cancelling, cancelled = await outgoing(database, id_of(path))
    assert [event["type"] for event in (cancelling, cancelled)] == ["order.cancelling", "order.cancelled"]
    assert cancelling["data"] == cancelled["data"]
    assert {name: cancelled["data"][name] for name in why} == why


async def test_an_order_can_be_cancelled_without_a_reason_and_without_a_body(ada: Customer) -> None:
    answer = await ada.http.post(f"{await ada.placed()}/cancellation")

    assert (answer.status_code, answer.json()["cancellation"]) == (200, {"cause": "customer", "reason": None})


@pytest.mark.parametrize("reached", [(), TO_PAID], ids=["cancelled", "cancelling"])
async def test_cancelling_twice_changes_nothing_the_second_time(
    ada: Customer, database: Database, reached: tuple[str, ...]
) -> None:
    path = await ada.placed()
    await say(database, id_of(path), *reached)

    first = await ada.cancel(path, "first")
    told = await outgoing(database, id_of(path))
    second = await ada.cancel(path, "second")

    assert (second.status_code, second.content) == (200, first.content)
    assert await outgoing(database, id_of(path)) == told


async def test_a_confirmed_order_cannot_be_cancelled(ada: Customer, database: Database) -> None:
    path = await ada.placed()
    await say(database, id_of(path), *TO_CONFIRMED)

    answer = await ada.cancel(path)

    assert (answer.status_code, answer.json()["title"]) == (409, "Order cannot be cancelled")
    assert answer.json()["detail"] == "The order is confirmed: it can no longer be cancelled."
    assert await ada.status(path) == "confirmed"


async def test_many_at_once_cancel_an_order_once(ada: Customer, database: Database, observer: Database) -> None:
    path = await ada.placed()
    async with observer.transaction() as tx:
        # Whoever adds an event writes the order's row with it, and waits here.
        await tx.execute(sa.select(orders.c.id).where(orders.c.id == id_of(path)).with_for_update())
        cancelling = [asyncio.create_task(ada.cancel(path, f"reason {number}")) for number in range(10)]
        await eventually(lambda: all_wait(observer, database.pool_size))
    answers = await asyncio.gather(*cancelling)

    assert [answer.status_code for answer in answers] == [200] * 10
    assert len({answer.content for answer in answers}) == 1
    assert facts(await outgoing(database, id_of(path))) == [("order.placed", 1), ("order.cancelled", 2)]


@pytest.mark.parametrize("reached", [TO_RESERVED, TO_PAID], ids=["the payment", "the commitment"])
async def test_a_cancellation_is_made_to_what_a_message_under_way_leaves_behind(
    ada: Customer, database: Database, observer: Database, reached: tuple[str, ...]
) -> None:
    path = await ada.placed()
    await say(database, id_of(path), *reached)
    following = TO_CONFIRMED[len(reached)]
    async with observer.transaction() as tx:
        await HANDLERS[following](tx, said(following, id_of(path)))
        cancelling = asyncio.create_task(ada.cancel(path))
        await eventually(lambda: all_wait(observer, 1))
    answer = await cancelling

    told = [event["type"] for event in await outgoing(database, id_of(path))]
    if following == "stock.committed":
        assert (answer.status_code, await ada.status(path)) == (409, "confirmed")
        assert "order.cancelling" not in told
    else:
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelling")
        assert told[-2:] == ["order.paid", "order.cancelling"]


async def test_a_payment_that_is_captured_while_its_order_is_cancelled_comes_back(
    ada: Customer, database: Database
) -> None:
    path = await ada.placed()
    await say(database, id_of(path), *TO_RESERVED)

    await asyncio.gather(ada.cancel(path), deliver(database, said("payment.captured", id_of(path))))

    assert await ada.status(path) == "cancelling"
    told = [event["type"] for event in await outgoing(database, id_of(path))]
    assert told[-1] == "order.cancelling"
    await say(database, id_of(path), "payment.refunded", "stock.released")
    assert await ada.status(path) == "cancelled"


async def test_a_cancellation_that_always_comes_too_late_gives_up(
    ada: Customer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def too_late(*_: Any) -> None:
        return None

    path = await ada.placed()
    monkeypatch.setattr(streams, "append", too_late)
    answer = await ada.cancel(path)

    assert (answer.status_code, answer.json()["title"]) == (409, "Order changed meanwhile")
    assert await ada.status(path) == "placed"


async def all_wait(observer: Database, count: int) -> bool:
    return await waiting(observer) == count
