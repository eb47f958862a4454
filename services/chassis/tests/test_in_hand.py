import asyncio
import json
from collections import Counter
from typing import Any

import pytest
from chassis import consumer as module
from chassis import inbox
from chassis.database import Database
from chassis.messages import Event
from chassis.queue import Message
from chassis.queue import Queue as ChassisQueue
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chassis.tests.messaging import (
    consumer,
    count,
    event,
    running,
    texts,
    write_down,
)
from services.chassis.tests.queues import counts, is_empty, receive, send
from tests.fixtures import Queue, eventually

AT_ONCE = 3
"""What a pool of five leaves to a consumer."""


@pytest.fixture(autouse=True)
def quick_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LAST_POLL_SECONDS", 0.02)


async def test_a_slow_handlers_message_is_not_delivered_to_another_consumer(database: Database, queue: Queue) -> None:
    finish = asyncio.Event()
    tries: Counter[str] = Counter()

    async def take_long(tx: AsyncConnection, event: Event) -> None:
        tries[event.aggregate_id] += 1
        await finish.wait()
        await write_down(tx, event)

    # More than can be handled at once: those that wait for their turn are kept as well.
    send(queue, *(event(f"thing-{n}") for n in range(AT_ONCE + 2)))
    async with running(consumer(database, queue, take_long, visibility_seconds=1)):
        await eventually(lambda: _true(len(tries) == AT_ONCE))
        assert await asyncio.to_thread(receive, queue, 2) == []
        finish.set()
        await eventually(lambda: is_empty(queue))
    assert tries == {f"thing-{n}": 1 for n in range(AT_ONCE + 2)}


async def test_a_stop_finishes_what_was_begun_and_gives_back_the_rest_at_once(
    database: Database, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish, stopping = asyncio.Event(), asyncio.Event()
    begun: set[str] = set()

    async def take_long(tx: AsyncConnection, event: Event) -> None:
        begun.add(event.aggregate_id)
        await finish.wait()
        await write_down(tx, event)

    names = {f"thing-{n}" for n in range(20)}
    send(queue, *(event(name) for name in sorted(names)))
    received = _spy_on_receive(monkeypatch)
    task = asyncio.create_task(consumer(database, queue, take_long).run(stopping))
    await eventually(lambda: _true((len(received), len(begun)) == (20, AT_ONCE)))
    stopping.set()
    await eventually(lambda: counts(queue, visible=20 - AT_ONCE, hidden=AT_ONCE))
    assert not task.done()
    finish.set()
    await task
    assert len(begun) == AT_ONCE
    assert sorted(await texts(database)) == sorted(f"{name} 1" for name in begun)
    rest = [json.loads(message["Body"])["aggregate_id"] for message in receive(queue) + receive(queue)]
    assert sorted(rest) == sorted(names - begun)


async def test_messages_on_their_way_when_the_stop_comes_are_given_back_at_once(
    database: Database, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LAST_POLL_SECONDS", 10)
    stopping, arrive = asyncio.Event(), asyncio.Event()
    received = _spy_on_receive(monkeypatch, arrive)
    send(queue, *(event(f"thing-{n}") for n in range(5)))
    task = asyncio.create_task(consumer(database, queue, write_down).run(stopping))
    await eventually(lambda: _true(len(received) == 5))
    stopping.set()
    arrive.set()
    await task
    assert await counts(queue, visible=5, hidden=0)
    assert await texts(database) == []


async def test_a_consumer_that_is_killed_leaves_nothing_half_done(database: Database, queue: Queue) -> None:
    written = asyncio.Event()

    async def write_and_hang(tx: AsyncConnection, event: Event) -> None:
        await write_down(tx, event)
        written.set()
        await asyncio.Event().wait()

    send(queue, event())
    task = asyncio.create_task(consumer(database, queue, write_and_hang).run(asyncio.Event()))
    await written.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (await texts(database), await count(database, inbox.table)) == ([], 0)
    assert await counts(queue, visible=0, hidden=1)


async def test_events_of_one_aggregate_are_handled_in_order_and_those_of_others_meanwhile(
    database: Database, queue: Queue
) -> None:
    others_done = asyncio.Event()

    async def hold_the_first(tx: AsyncConnection, event: Event) -> None:
        if (event.aggregate_id, event.sequence) == ("slow", 1):
            await others_done.wait()
        await write_down(tx, event)
        if (event.aggregate_id, event.sequence) == ("fast", 6):
            others_done.set()

    # With their connections open, all start level.
    await asyncio.gather(*(database.ping() for _ in range(AT_ONCE)))
    send(queue, *(event("slow", sequence) for sequence in (2, 1)), *(event("fast", n) for n in (6, 2, 5, 3, 4, 1)))
    async with running(consumer(database, queue, hold_the_first)):
        await eventually(lambda: is_empty(queue))
    assert await texts(database) == [*(f"fast {n}" for n in range(1, 7)), "slow 1", "slow 2"]


async def test_deletions_go_in_batches(database: Database, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    async def delete(self: ChassisQueue, messages: Any) -> None:
        sizes.append(len(messages))
        await original(self, messages)

    original = ChassisQueue.delete
    monkeypatch.setattr(ChassisQueue, "delete", delete)
    send(queue, *(event(f"thing-{n}") for n in range(20)))
    async with running(consumer(database, queue, write_down)):
        await eventually(lambda: is_empty(queue))
    assert sum(sizes) == 20
    assert len(sizes) < 15


def _spy_on_receive(monkeypatch: pytest.MonkeyPatch, arrive: asyncio.Event | None = None) -> list[Message]:
    """What was received, also while it has not arrived at the consumer yet."""
    received: list[Message] = []

    async def receive(self: ChassisQueue) -> list[Message]:
        messages = await original(self)
        received.extend(messages)
        if arrive is not None:
            await arrive.wait()
        return messages

    original = ChassisQueue.receive
    monkeypatch.setattr(ChassisQueue, "receive", receive)
    return received


async def _true(value: bool) -> bool:
    return value
