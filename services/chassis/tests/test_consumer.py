import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import sqlalchemy as sa
import structlog
from chassis import consumer as module
from chassis import inbox
from chassis.consumer import Consumer, Handler
from chassis.database import Database
from chassis.inbox import SqlInbox
from chassis.messages import Event
from chassis.outbox import Relay, publish
from chassis.queue import BATCH_ENTRIES
from chassis.queue import Queue as ChassisQueue
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import REGISTRY
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncConnection
from structlog.testing import capture_logs

from services.chassis.tests.flaky import Fault, flaky
from services.chassis.tests.messaging import (
    consumer,
    count,
    effects,
    event,
    opened,
    running,
    texts,
    write_down,
)
from services.chassis.tests.queues import counts, is_empty, send
from tests.fixtures import Emulator, FreshDatabase, Postgres, Queue, eventually
from tests.mysql import Mysql


@pytest.fixture(autouse=True)
def quick_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LAST_POLL_SECONDS", 0.02)


@pytest.fixture
def transactions(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many messages each transaction was begun with."""
    sizes: list[int] = []

    async def handle(self: SqlInbox, batch: Sequence[tuple[Event, Handler[AsyncConnection]]]) -> list[bool]:
        sizes.append(len(batch))
        return await original(self, batch)

    original = SqlInbox.handle
    monkeypatch.setattr(SqlInbox, "handle", handle)
    return sizes


async def test_a_message_has_its_effect_and_is_gone(database: Database, queue: Queue) -> None:
    send(queue, event("thing-1", 7))
    async with running(consumer(database, queue, write_down)):
        await eventually(lambda: is_empty(queue))
    assert await texts(database) == ["thing-1 7"]
    assert await count(database, inbox.table) == 1


async def test_a_duplicate_has_no_effect_and_is_gone(database: Database, queue: Queue) -> None:
    once = event()
    send(queue, once, once, once)
    before = _handled("duplicate")
    async with running(consumer(database, queue, write_down)):
        await eventually(lambda: is_empty(queue))
    assert await texts(database) == ["thing-1 1"]
    assert _handled("duplicate") - before == 2


async def test_copies_received_by_two_consumers_have_one_effect(
    home: FreshDatabase, database: Database, queue: Queue
) -> None:
    events = [event(f"thing-{n}") for n in range(15)]
    send(queue, *events, *reversed(events))
    async with (
        opened(home) as other,
        running(consumer(database, queue, write_down), consumer(other, queue, write_down)),
    ):
        await eventually(lambda: is_empty(queue))
    assert sorted(await texts(database)) == sorted(f"thing-{n} 1" for n in range(15))


async def test_a_failed_handler_leaves_nothing_and_its_message_comes_back(database: Database, queue: Queue) -> None:
    left: list[tuple[int, int]] = []

    async def fail_once(tx: AsyncConnection, event: Event) -> None:
        left.append((await count(database, effects), await count(database, inbox.table)))
        await write_down(tx, event)
        if len(left) == 1:
            raise LookupError

    send(queue, event())
    async with running(consumer(database, queue, fail_once)):
        await eventually(lambda: is_empty(queue))
    assert left == [(0, 0), (0, 0)]
    assert await texts(database) == ["thing-1 1"]


async def test_poison_is_set_aside_after_three_deliveries_and_the_others_pass(database: Database, queue: Queue) -> None:
    poison = event("poison")
    tries: Counter[str] = Counter()

    async def choke_on_poison(tx: AsyncConnection, event: Event) -> None:
        tries[event.aggregate_id] += 1
        await write_down(tx, event)
        if event.aggregate_id == "poison":
            raise LookupError

    send(queue, poison, *(event(f"thing-{n}") for n in range(12)))
    async with running(consumer(database, queue, choke_on_poison)):
        dead = await asyncio.to_thread(queue.receive_dead)
        await eventually(lambda: is_empty(queue))
    assert Event.model_validate_json(dead["Body"]) == poison
    # The poison comes first in its batch, and then three times alone.
    assert tries == {"poison": 4} | {f"thing-{n}": 1 for n in range(12)}
    assert sorted(await texts(database)) == sorted(f"thing-{n} 1" for n in range(12))


async def test_what_was_received_while_others_were_handled_is_handled_in_one_transaction(
    database: Database, queue: Queue, transactions: list[int]
) -> None:
    messages = 5 * BATCH_ENTRIES
    handled = 0

    async def wait_for_the_others(tx: AsyncConnection, event: Event) -> None:
        nonlocal handled
        await write_down(tx, event)
        handled += 1
        if handled == 1:
            await eventually(lambda: counts(queue, visible=messages - 3 * BATCH_ENTRIES, hidden=3 * BATCH_ENTRIES))

    send(queue, *(event(f"thing-{n:02}") for n in range(messages)))
    async with running(consumer(database, queue, wait_for_the_others)):
        await eventually(lambda: is_empty(queue))
    assert transactions[:2] == [BATCH_ENTRIES, SqlInbox.max_batch_size]
    assert sum(transactions) == messages


async def test_after_a_batch_that_failed_fewer_are_handled_together_until_they_succeed(
    database: Database, queue: Queue, transactions: list[int]
) -> None:
    first = True

    async def fail_once(tx: AsyncConnection, event: Event) -> None:
        nonlocal first
        await write_down(tx, event)
        if event.aggregate_id == "thing-9" and first:
            first = False
            raise LookupError

    names = [f"thing-{n}" for n in range(10, 40)]
    send(queue, *(event(f"thing-{n}") for n in range(10)), *map(event, names))
    async with running(consumer(database, queue, fail_once)):
        await eventually(lambda: is_empty(queue))
    # One by one; then five, six and so on of what waits by then.
    assert transactions[:11] == [10, *(1 for _ in range(10))]
    for most, size in enumerate(transactions[11:], start=5):
        assert size <= most
    assert transactions[11] == 5
    assert sum(transactions[11:]) == 30
    assert sorted(await texts(database)) == sorted(f"thing-{n} 1" for n in range(40))


async def test_each_message_of_a_batch_is_counted_timed_and_logged_as_its_own(database: Database, queue: Queue) -> None:
    async def say(_tx: AsyncConnection, event: Event) -> None:
        structlog.get_logger().info("handling", sequence=event.sequence)

    def timed() -> float:
        return REGISTRY.get_sample_value("message_duration_seconds_count", {"type": "thing.done"}) or 0

    events = [event("thing-1", sequence) for sequence in (1, 2, 3)]
    send(queue, *events)
    before = _handled("handled"), timed()
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
        async with running(consumer(database, queue, say)):
            await eventually(lambda: is_empty(queue))
    assert [(line["event_id"], line["sequence"]) for line in logs] == [(str(one.id), one.sequence) for one in events]
    assert (_handled("handled"), timed()) == (before[0] + 3, before[1] + 3)


@pytest.mark.parametrize(
    ("body", "invalid"),
    [
        ("a secret, and no JSON", "body: Invalid JSON: expected value at line 1 column 1"),
        (event(type="thing.else", secret="a secret").to_json(), "type: has no handler"),
        (
            event(secret="a secret NUL").to_json().replace(" NUL", r"\u0000"),
            "data: must not contain NUL characters or lone surrogates",
        ),
        (
            event(secret="a secret").to_json().replace('"secret"', r'"\u0000"'),
            "data: must not contain NUL characters or lone surrogates",
        ),
    ],
    ids=["no event", "an event of another type", "NUL in a text", "NUL in a name"],
)
async def test_what_no_handler_can_read_is_set_aside_and_logged_once_without_its_body(
    database: Database, queue: Queue, body: str, invalid: str
) -> None:
    sent = queue.client.send_message(QueueUrl=queue.url, MessageBody=body)
    before = _handled("unreadable", "unknown")
    with capture_logs() as logs:
        async with running(consumer(database, queue, write_down)):
            dead = await asyncio.to_thread(queue.receive_dead)
    assert dead["Body"] == body
    assert [(line["event"], line["message_id"]) for line in logs] == [("message_unreadable", sent["MessageId"])]
    assert logs[0]["invalid"] == [invalid]
    assert "a secret" not in str(logs)
    assert _handled("unreadable", "unknown") - before == 3


async def test_data_that_a_handler_cannot_read_is_logged_without_its_values(database: Database, queue: Queue) -> None:
    async def read(_tx: AsyncConnection, event: Event) -> None:
        TypeAdapter(dict[str, int]).validate_python(event.data)

    unreadable = event(total="a secret")
    send(queue, unreadable)
    with capture_logs() as logs:
        async with running(consumer(database, queue, read)):
            await asyncio.to_thread(queue.receive_dead)
    assert [(line["event"], line["deliveries"], line["invalid"]) for line in logs] == [
        ("message_failed", deliveries, [("total",)]) for deliveries in (1, 2, 3)
    ]
    assert "a secret" not in str(logs)


async def test_a_failed_message_comes_back_later_each_time(
    database: Database, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    async def hide_no_longer(self: ChassisQueue, messages: Any, seconds: int) -> None:
        asked.extend([seconds] * len(messages))
        await original(self, messages, 0)

    async def fail(_tx: AsyncConnection, _event: Event) -> None:
        raise LookupError

    original = ChassisQueue.change_visibility
    monkeypatch.setattr(ChassisQueue, "change_visibility", hide_no_longer)
    send(queue, event())
    async with running(Consumer(SqlInbox(database), queue.url, {"thing.done": fail}, 60)):
        await asyncio.to_thread(queue.receive_dead)
    assert asked == [2, 4, 8]


async def test_a_handler_that_hangs_is_given_up(
    database: Database, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HANDLER_SECONDS", 1)
    tries: list[str] = []

    async def hang_once(tx: AsyncConnection, event: Event) -> None:
        tries.append(event.aggregate_id)
        if len(tries) == 1:
            monkeypatch.setattr(module, "HANDLER_SECONDS", 60)  # the next one may take its time
            await asyncio.Event().wait()
        await write_down(tx, event)

    send(queue, event())
    async with running(consumer(database, queue, hang_once)):
        await eventually(lambda: is_empty(queue))
    assert (len(tries), await texts(database)) == (2, ["thing-1 1"])


async def test_a_database_that_is_down_uses_up_no_deliveries(
    server: Postgres | Mysql, database: Database, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BACKOFF_SECONDS", 0.02)
    name = str(sa.make_url(database.url).database)
    server.shut(name)
    send(queue, *(event(f"thing-{n}") for n in range(5)))
    with capture_logs() as logs:
        async with running(consumer(database, queue, write_down)):
            await eventually(lambda: _true(sum(line["event"] == "store_away" for line in logs) >= 9))
            server.reopen(name)
            await eventually(lambda: is_empty(queue))
    # One line for the first batch, none for each message, and no transaction is begun after that.
    assert sum(line["event"] == "batch_failed" for line in logs) == 1
    assert not any(line["event"] == "message_failed" for line in logs)
    assert sorted(await texts(database)) == [f"thing-{n} 1" for n in range(5)]


async def test_a_consumer_outlives_a_queue_that_fails(
    database: Database, queue: Queue, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.aws.ATTEMPTS", 1)
    monkeypatch.setattr(module, "BACKOFF_SECONDS", 0.02)
    # No answer to two polls; then a poll succeeds and the deletion fails, so that the messages come again.
    pattern: list[Fault] = ["unavailable", "answer lost", "none", "unavailable"]
    faults = iter(pattern)
    send(queue, *(event(f"thing-{n}") for n in range(5)))
    async with flaky(emulator.url, lambda: next(faults, "none")) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", url)
        async with running(consumer(database, queue, write_down, visibility_seconds=1)):
            await eventually(lambda: is_empty(queue))
    assert sorted(await texts(database)) == [f"thing-{n} 1" for n in range(5)]


async def test_the_trace_of_the_publisher_reaches_the_handler(
    database: Database,
    make_topic: Callable[..., str],
    make_queue: Callable[..., Queue],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tracer = TracerProvider().get_tracer("test")
    monkeypatch.setattr(module, "tracer", tracer)
    topic = make_topic()
    queue = make_queue(topic, ["thing.done"])
    seen: list[Any] = []

    async def look(_tx: AsyncConnection, _event: Event) -> None:
        seen.append(trace.get_current_span())

    publishers = []
    for name in ("thing-1", "thing-2"):
        with tracer.start_as_current_span("place") as placing:
            async with database.transaction() as tx:
                await publish(tx, event(name))
            publishers.append(placing.get_span_context())
    async with running(Relay(database, topic)):
        await eventually(lambda: counts(queue, visible=2, hidden=0))
    async with running(consumer(database, queue, look)):
        await eventually(lambda: is_empty(queue))
    assert [span.get_span_context().trace_id for span in seen] == [each.trace_id for each in publishers]
    assert [span.parent.span_id for span in seen] == [each.span_id for each in publishers]
    assert {(span.name, span.kind) for span in seen} == {("process thing.done", trace.SpanKind.CONSUMER)}


async def test_the_trace_of_a_failed_handler_names_the_error_and_quotes_nothing(
    database: Database, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans: list[Any] = []

    async def fail(_tx: AsyncConnection, _event: Event) -> None:
        spans.append(trace.get_current_span())
        raise LookupError("a secret")

    monkeypatch.setattr(module, "tracer", TracerProvider().get_tracer("test"))
    send(queue, event())
    async with running(consumer(database, queue, fail)):
        await asyncio.to_thread(queue.receive_dead)
    assert {(span.status.is_ok, span.status.description) for span in spans} == {(False, "LookupError")}
    assert "a secret" not in "".join(span.to_json() for span in spans)


def _handled(outcome: str, type: str = "thing.done") -> float:  # noqa: A002
    return REGISTRY.get_sample_value("messages_handled_total", {"type": type, "outcome": outcome}) or 0


async def _true(value: bool) -> bool:
    return value
