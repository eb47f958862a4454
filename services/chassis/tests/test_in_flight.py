import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from chassis import consumer as module
from chassis import inbox
from chassis.consumer import Consumer, Handler
from chassis.database import Database
from chassis.messages import Event
from chassis.queue import BATCH_ENTRIES, Message
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

pytestmark = pytest.mark.slow


class Parallel:
    """An inbox without a store, for three batches at once."""

    max_concurrency = 3
    max_batch_size = BATCH_ENTRIES

    async def handle(self, batch: Sequence[tuple[Event, Handler[None]]]) -> list[bool]:
        for one, handler in batch:
            await handler(None, one)
        return [True] * len(batch)

    async def ping(self) -> None:
        pass

    async def prune(self) -> int:
        return 0


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

    # More than one batch: those that wait for their turn are kept as well.
    send(queue, *(event(f"thing-{n}") for n in range(BATCH_ENTRIES + 2)))
    async with running(consumer(database, queue, take_long, visibility_seconds=1)):
        await eventually(lambda: _true(len(tries) == 1))
        assert await asyncio.to_thread(receive, queue, 2) == []
        finish.set()
        await eventually(lambda: is_empty(queue))
    assert tries == {f"thing-{n}": 1 for n in range(BATCH_ENTRIES + 2)}


async def test_a_stop_finishes_what_was_begun_and_gives_back_the_rest_at_once(
    database: Database, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, finish, stopping = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def take_long(tx: AsyncConnection, event: Event) -> None:
        begun.set()
        await finish.wait()
        await write_down(tx, event)

    names = {f"thing-{n}" for n in range(3 * BATCH_ENTRIES)}
    send(queue, *(event(name) for name in sorted(names)))
    received = _spy_on_receive(monkeypatch)
    task = asyncio.create_task(consumer(database, queue, take_long).run(stopping))
    await begun.wait()
    await eventually(lambda: _true(len(received) == 3 * BATCH_ENTRIES))
    stopping.set()
    await eventually(lambda: counts(queue, visible=2 * BATCH_ENTRIES, hidden=BATCH_ENTRIES))
    assert not task.done()
    finish.set()
    await task
    done = {text.removesuffix(" 1") for text in await texts(database)}
    assert len(done) == BATCH_ENTRIES
    rest = [json.loads(message["Body"])["aggregate_id"] for message in receive(queue) + receive(queue) + receive(queue)]
    assert sorted(rest) == sorted(names - done)


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


async def test_events_of_one_aggregate_are_handled_in_order_and_those_of_others_meanwhile(queue: Queue) -> None:
    others_done = asyncio.Event()
    handled: list[tuple[str, int]] = []

    async def hold_the_first(_tx: None, event: Event) -> None:
        if (event.aggregate_id, event.sequence) == ("slow", 1):
            await others_done.wait()
        handled.append((event.aggregate_id, event.sequence))
        if (event.aggregate_id, event.sequence) == ("fast", 6):
            others_done.set()

    for sequences in ((2, 1), (4, 3)):
        send(queue, *(event("slow", sequence) for sequence in sequences), *(event(f"thing-{n}") for n in range(8)))
    send(queue, *(event("fast", n) for n in (6, 2, 5, 3, 4, 1)))
    async with running(Consumer(Parallel(), queue.url, {"thing.done": hold_the_first}, 60)):
        await eventually(lambda: is_empty(queue))
    streams = {name: [sequence for each, sequence in handled if each == name] for name in ("slow", "fast")}
    assert streams == {"slow": [1, 2, 3, 4], "fast": [1, 2, 3, 4, 5, 6]}


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
    assert sizes == [BATCH_ENTRIES, BATCH_ENTRIES]


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
