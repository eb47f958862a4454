import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from chassis import outbox, sql
from chassis.database import Database, flush
from chassis.messages import Event
from chassis.outbox import EventTooLarge, Relay, publish
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import REGISTRY

from services.chassis.tests.flaky import Fault, flaky
from services.chassis.tests.messaging import cleared, count, effects, event, opened, running, texts
from services.chassis.tests.queues import arrivals, first_seen, received, streams
from tests.fixtures import Emulator, FreshDatabase, Postgres, Queue, eventually


@pytest.fixture
def statements(database: Database) -> Iterator[list[tuple[str, int]]]:
    """The table and the number of rows of each INSERT."""
    seen: list[tuple[str, int]] = []

    def see(_connection: Any, clause: Any, many: list[Any], one: Any, _options: Any) -> None:
        if isinstance(clause, sa.Insert):
            seen.append((clause.table.name, len(many or [one])))

    sa.event.listen(sa.Engine, "before_execute", see)
    yield seen
    sa.event.remove(sa.Engine, "before_execute", see)


async def test_an_event_arrives_as_it_was_published(database: Database, topic: str, queue: Queue) -> None:
    published = event(color="blue")
    await _publish(database, published)
    async with running(Relay(database, topic)):
        (message,) = await arrivals(queue, 1)
    assert Event.model_validate_json(message["Body"]) == published
    assert message["MessageAttributes"] == {"event_type": {"StringValue": "thing.done", "DataType": "String"}}
    assert await count(database, outbox.table) == 0


async def test_state_and_event_are_stored_together(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute(effects.insert(), {"text": "done"})
        await publish(tx, event())
    assert (await texts(database), await count(database, outbox.table)) == (["done"], 1)


async def test_a_rolled_back_change_publishes_nothing(database: Database, topic: str, queue: Queue) -> None:
    async def change_and_fail() -> None:
        async with database.transaction() as tx:
            await tx.execute(effects.insert(), {"text": "done"})
            await publish(tx, event("undone"))
            raise LookupError

    with pytest.raises(LookupError):
        await change_and_fail()
    await _publish(database, event("done"))
    async with running(Relay(database, topic)):
        (message,) = await arrivals(queue, 1)
        await _emptied(database)
    assert Event.model_validate_json(message["Body"]).aggregate_id == "done"
    assert received(queue) == []
    assert await texts(database) == []


async def test_the_events_of_a_transaction_are_stored_at_its_end_in_one_statement(
    database: Database, statements: list[tuple[str, int]]
) -> None:
    async with database.transaction() as tx:
        for sequence in (1, 2, 3):
            await publish(tx, event("thing-1", sequence))
        await tx.execute(effects.insert(), {"text": "done"})
    assert statements == [("effects", 1), ("outbox", 3)]
    async with database.connection() as connection:
        bodies = list(await connection.scalars(sa.select(outbox.table.c.body).order_by(outbox.table.c.position)))
    assert [json.loads(body)["sequence"] for body in bodies] == [1, 2, 3]


async def test_a_transaction_reads_its_own_events_after_a_flush(database: Database) -> None:
    async with database.transaction() as tx:
        await publish(tx, event("thing-1", 1))
        await flush(tx)
        assert await tx.scalar(sa.select(outbox.table.c.aggregate_id)) == "thing-1"
        await publish(tx, event("thing-1", 2))
    assert await count(database, outbox.table) == 2


async def test_an_event_is_published_in_a_transaction_or_not_at_all(database: Database) -> None:
    async with database.transaction() as tx:
        await publish(tx, event())
    async with database.connection() as connection:
        with pytest.raises(RuntimeError, match="not in a transaction"):
            await publish(connection, event())


async def test_a_statement_of_its_own_stores_state_and_event_or_neither(
    postgres: Postgres, topic: str, queue: Queue
) -> None:
    change = sa.insert(effects).values(text=sa.bindparam("text")).returning(effects.c.id).cte("change")
    statement = sa.select(change.c.id).add_cte(outbox.published_with(change).cte("told"))
    published = event(color="blue")

    with postgres.fresh_database() as home:
        async with cleared(home) as database:
            async with database.autocommit() as connection:
                await connection.execute(statement, {"text": "done", **outbox.parameters(published)})
                broken = {"text": "undone", **outbox.parameters(published), "outbox_body": None}
                with pytest.raises(sa.exc.IntegrityError):
                    await connection.execute(statement, broken)
            assert (await texts(database), await count(database, outbox.table)) == (["done"], 1)
            async with running(Relay(database, topic)):
                (message,) = await arrivals(queue, 1)

    assert Event.model_validate_json(message["Body"]) == published


async def test_a_relay_publishes_at_once_what_its_own_process_commits(
    database: Database, topic: str, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "POLL_SECONDS", 60)
    relay = Relay(database, topic)
    idle = _idle(relay, monkeypatch)
    async with running(relay):
        await idle.wait()
        await _publish(database, event())
        await arrivals(queue, 1)


async def test_what_is_committed_right_after_a_round_is_published_together(
    database: Database, topic: str, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims: list[int] = []
    all_committed = asyncio.Event()

    async def pause(_stopping: asyncio.Event, seconds: float) -> None:
        assert seconds == outbox.GATHER_SECONDS
        await all_committed.wait()

    monkeypatch.setattr(outbox, "pause", pause)
    publish_batch = Relay._publish_batch

    async def count(self: Relay, client: Any) -> int:
        claims.append(await publish_batch(self, client))
        return claims[-1]

    monkeypatch.setattr(Relay, "_publish_batch", count)
    async with running(Relay(database, topic)):
        await _publish(database, event("thing-0"))
        await eventually(lambda: _true(1 in claims))
        for number in range(1, 6):
            await _publish(database, event(f"thing-{number}"))
        all_committed.set()
        await arrivals(queue, 6)

    assert [claimed for claimed in claims if claimed] == [1, 5]


async def test_a_relay_finds_what_other_processes_commit(
    home: FreshDatabase, database: Database, topic: str, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "POLL_SECONDS", 0.1)
    async with opened(home) as other:
        relay = Relay(other, topic)
        idle = _idle(relay, monkeypatch)
        async with running(relay):
            await idle.wait()
            await _publish(database, event())
            await arrivals(queue, 1)


async def test_no_relay_overtakes_another_within_an_aggregate(
    home: FreshDatabase, database: Database, topic: str, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, claimed, go_on = Relay(database, topic), asyncio.Event(), asyncio.Event()

    async def publish_slowly(client: Any, batch: Any) -> Any:
        claimed.set()
        await go_on.wait()
        return await original(client, batch)

    original = slow._send
    monkeypatch.setattr(slow, "_send", publish_slowly)
    await _publish(database, event("slow", 1))
    async with opened(home) as other, running(slow):
        await claimed.wait()
        await _publish(database, event("slow", 2), event("fast", 1))
        fast = Relay(other, topic)
        idle = _idle(fast, monkeypatch)
        async with running(fast):
            await idle.wait()
            assert streams(received(queue)) == {"fast": [1]}
        go_on.set()
        await _emptied(database)
    assert streams(received(queue)) == {"slow": [1, 2]}


async def test_several_relays_publish_each_event_once_and_in_order(
    home: FreshDatabase, database: Database, topic: str, queue: Queue
) -> None:
    await _publish(database, *(event(f"thing-{n % 25}", 1 + n // 25) for n in range(150)))
    async with (
        opened(home) as second,
        opened(home) as third,
        running(Relay(database, topic), Relay(second, topic), Relay(third, topic)),
    ):
        await _emptied(database)
    assert streams(received(queue)) == {f"thing-{n}": [1, 2, 3, 4, 5, 6] for n in range(25)}


async def test_order_holds_while_sns_fails_and_answers_get_lost(
    home: FreshDatabase,
    database: Database,
    topic: str,
    queue: Queue,
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chassis.aws.ATTEMPTS", 1)
    monkeypatch.setattr(outbox, "BACKOFF_SECONDS", 0.01)
    pattern: list[Fault] = ["unavailable", "answer lost", "none"]
    faults = iter(pattern * 6)
    await _publish(database, *(event(f"thing-{n % 12}", 1 + n // 12) for n in range(60)))
    async with flaky(emulator.url, lambda: next(faults, "none")) as url, opened(home) as second:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SNS", url)
        async with running(Relay(database, topic), Relay(second, topic)):
            await _emptied(database)
    assert next(faults, None) is None
    arrived = streams(received(queue))
    assert {name: first_seen(sequence) for name, sequence in arrived.items()} == {
        f"thing-{n}": [1, 2, 3, 4, 5] for n in range(12)
    }
    # An event comes again only directly after itself, never after a later one of its aggregate.
    assert {name: sorted(sequence) for name, sequence in arrived.items()} == arrived
    assert sum(map(len, arrived.values())) > 60


async def test_a_relay_killed_after_publishing_publishes_again(
    database: Database, topic: str, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _publish(database, *(event(f"thing-{n}") for n in range(5)))
    killed = asyncio.Event()

    async def publish_and_hang(relay: Relay, client: Any, batch: Any) -> Any:
        await original(relay, client, batch)
        killed.set()
        await asyncio.Event().wait()

    original = Relay._send
    with monkeypatch.context() as patch:
        patch.setattr(Relay, "_send", publish_and_hang)
        task = asyncio.create_task(Relay(database, topic).run(asyncio.Event()))
        await killed.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert await count(database, outbox.table) == 5
    async with running(Relay(database, topic)):
        await _emptied(database)
    assert streams(received(queue)) == {f"thing-{n}": [1, 1] for n in range(5)}


async def test_a_refused_event_holds_up_its_own_aggregate_only(database: Database, topic: str, queue: Queue) -> None:
    # Too large for SNS; publish() would not let it in.
    refused = {"aggregate_id": "refused", "event_type": "thing.done", "body": "x" * 300_000}
    async with database.transaction() as tx:
        await tx.execute(outbox.table.insert(), refused)
    await _publish(database, event("refused", 2), *(event("other", n) for n in range(1, 6)))
    async with running(Relay(database, topic)):
        await arrivals(queue, 5)
        await eventually(lambda: _left(database, 2))
    assert received(queue) == []
    async with database.connection() as connection:
        rows = (await connection.execute(sa.select(outbox.table).order_by(outbox.table.c.position))).all()
    assert [(row.aggregate_id, row.refusals > 0, row.retry_at is not None) for row in rows] == [
        ("refused", True, True),
        ("refused", False, False),
    ]


async def test_a_refused_event_waits_twice_as_long_each_time(database: Database) -> None:
    await _publish(database, event())
    waits = []
    for _ in range(4):
        async with database.transaction() as tx:
            (position,) = await tx.scalars(sa.select(outbox.table.c.position))
            await tx.execute(outbox._POSTPONE, {"positions": [position]})
            left = sa.select(-sql.seconds_since(outbox.table.c.retry_at))
            waits.append(round(float(await tx.scalar(left) or 0)))
    assert waits == [1, 2, 4, 8]


async def test_events_too_large_for_one_batch_are_published_in_several(
    database: Database, topic: str, queue: Queue, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Fault] = []

    def count_call() -> Fault:
        calls.append("none")
        return "none"

    await _publish(database, *(event(f"thing-{n}", text="x" * 100_000) for n in range(5)))
    async with flaky(emulator.url, count_call) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SNS", url)
        async with running(Relay(database, topic)):
            await _emptied(database)
    assert len(received(queue)) == 5
    assert len(calls) == 3  # two, two, one: SNS takes 256 KiB in one call


async def test_an_event_too_large_to_be_published_is_refused_before_the_commit(database: Database) -> None:
    async with database.transaction() as tx:
        with pytest.raises(EventTooLarge, match=r"thing\.done"):
            await publish(tx, event(text="x" * outbox.MAX_BODY_BYTES))
    assert await count(database, outbox.table) == 0


async def test_an_event_carries_the_trace_of_its_publisher(database: Database, topic: str, queue: Queue) -> None:
    with TracerProvider().get_tracer("test").start_as_current_span("place") as span:
        await _publish(database, event())
    async with running(Relay(database, topic)):
        (message,) = await arrivals(queue, 1)
    context = span.get_span_context()
    traceparent = message["MessageAttributes"]["traceparent"]["StringValue"]
    assert traceparent.startswith(f"00-{context.trace_id:032x}-{context.span_id:016x}-")


async def test_the_relay_counts_what_it_publishes_and_knows_how_late_it_is(
    database: Database, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def published() -> float:
        return REGISTRY.get_sample_value("outbox_published_total") or 0

    def age() -> float:
        return REGISTRY.get_sample_value("outbox_oldest_age_seconds") or 0

    monkeypatch.setattr(outbox, "MEASURE_SECONDS", 0)
    monkeypatch.setattr(outbox, "POLL_SECONDS", 0.05)
    await _publish(database, event("one"), event("two"))
    old, later = (sql.seconds_from_now(sign * 3600) for sign in (-1, 1))
    async with database.transaction() as tx:
        await tx.execute(outbox.table.update().values(created_at=old, retry_at=later))
    before = published()
    async with running(Relay(database, topic)):
        await eventually(lambda: _true(3600 < age() < 3660))
        async with database.transaction() as tx:
            await tx.execute(outbox.table.update().values(retry_at=None))
        await eventually(lambda: _true(age() == 0))
    assert published() - before == 2


async def test_a_relay_without_a_database_tries_on_until_it_is_told_to_stop(
    topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []
    monkeypatch.setattr(outbox, "BACKOFF_SECONDS", 0.01)
    monkeypatch.setattr(outbox.log, "warning", lambda name, **_: tries.append(name))
    database = Database("postgresql://nobody@127.0.0.1:1/nothing")
    await database.open()
    relay = Relay(database, topic)
    async with running(relay):
        await eventually(lambda: _true(len(tries) >= 2))
        assert relay.healthy()
    await database.close()
    assert set(tries) == {"publishing_failed"}


def _idle(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set when the relay has found nothing more to do."""
    idle = asyncio.Event()

    async def wait(stopping: asyncio.Event) -> None:
        idle.set()
        await original(stopping)

    original = relay._wait_for_events
    monkeypatch.setattr(relay, "_wait_for_events", wait)
    return idle


async def _publish(database: Database, *events: Event) -> None:
    async with database.transaction() as tx:
        for one in events:
            await publish(tx, one)


async def _emptied(database: Database) -> None:
    await eventually(lambda: _left(database, 0), 20)


async def _left(database: Database, number: int) -> bool:
    return await count(database, outbox.table) == number


async def _true(value: bool) -> bool:
    return value
