"""The inbox on a table: the promises of the one in SQL, kept without locks."""

import asyncio
import itertools
import json
import time
from collections.abc import Collection, Iterator

import pytest
from botocore.exceptions import ClientError
from chassis import consumer as module
from chassis import table_inbox
from chassis.consumer import Consumer, Handler
from chassis.in_flight import InFlight
from chassis.items import Item, Key
from chassis.messages import Event
from chassis.table import ConflictError, Table, TableTransaction
from chassis.table_inbox import TableInbox

from services.chassis.tests.flaky import Fault, flaky
from services.chassis.tests.items import count_up, effects, keys, opened, refusal, write_down
from services.chassis.tests.messaging import event, running
from services.chassis.tests.queues import is_empty, send
from tests.fixtures import Emulator, Queue, eventually


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LAST_POLL_SECONDS", 0.02)


@pytest.fixture
def inbox(table: Table) -> TableInbox:
    return TableInbox(table)


def consumer(
    table: Table, queue: Queue, handler: Handler[TableTransaction], visibility_seconds: int = 1
) -> Consumer[TableTransaction]:
    """Failed messages come back at once, those of a dead consumer after a second, unless told otherwise."""
    return Consumer(TableInbox(table), queue.url, {"thing.done": handler}, visibility_seconds, retry_seconds=0)


async def fail(tx: TableTransaction, event: Event) -> None:
    await write_down(tx, event)
    raise LookupError


async def test_an_event_is_handled_once_and_remembered_for_two_weeks(table: Table, inbox: TableInbox) -> None:
    once, other = event("thing-1"), event("thing-2")

    assert await inbox.handle([(once, write_down)]) == [True]
    assert await inbox.handle([(once, write_down), (other, write_down)]) == [False, True]

    assert effects(table) == ["thing-1 1", "thing-2 1"]
    remembered = await table.get(Key(f"inbox#{once.id}", "inbox"))
    assert remembered is not None
    assert int(str(remembered["expires_at"])) - time.time() == pytest.approx(14 * 86_400, abs=60)
    assert await inbox.prune() == 0


async def test_what_the_handlers_of_a_batch_read_is_had_in_one_call(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    async def count_keys(self: Table, keys: Collection[Key]) -> dict[Key, Item]:
        calls.append(len(keys))
        return await get_many(self, keys)

    get_many = Table.get_many
    monkeypatch.setattr(Table, "get_many", count_keys)
    found: list[Item | None] = []

    async def read(tx: TableTransaction, event: Event) -> None:
        found.append(await tx.get(Key(event.aggregate_id, "effects")))
        await write_down(tx, event)

    inbox = TableInbox(table, lambda event: [Key(event.aggregate_id, "effects")])
    async with table.transaction() as tx:
        tx.put({"pk": "thing-1", "sk": "effects", "count": 7})

    await inbox.handle([(event(f"thing-{number}"), read) for number in range(3)])

    assert calls == [6]
    assert [item and item["count"] for item in found] == [None, 7, None]


async def test_after_a_conflict_a_handler_reads_what_others_have_left(table: Table) -> None:
    found: list[Item | None] = []
    place = Key("thing-1", "effects")

    async def read_and_write(tx: TableTransaction, event: Event) -> None:
        found.append(await tx.get(place))
        if len(found) == 1:
            async with table.transaction() as other:
                other.put({"pk": place.pk, "sk": place.sk})
        if found[-1] is None:
            tx.put({"pk": place.pk, "sk": place.sk}, if_absent=True)

    assert await TableInbox(table, lambda _: [place]).handle([(event("thing-1"), read_and_write)]) == [True]

    assert found == [None, {"pk": place.pk, "sk": place.sk}]


async def test_the_handler_of_a_copy_is_not_called(inbox: TableInbox) -> None:
    once = event()
    await inbox.handle([(once, write_down)])

    assert await inbox.handle([(once, fail)]) == [False]


async def test_an_event_that_stands_twice_in_a_batch_is_handled_once(table: Table, inbox: TableInbox) -> None:
    once = event()

    assert await inbox.handle([(once, count_up), (once, count_up)]) == [True, False]
    assert ("step#1", "step") in keys(table)
    assert ("step#2", "step") not in keys(table)


async def test_a_handler_that_fails_leaves_nothing_of_the_whole_batch(table: Table, inbox: TableInbox) -> None:
    good, bad = event("thing-1"), event("thing-2")

    with pytest.raises(LookupError):
        await inbox.handle([(good, write_down), (bad, fail)])

    assert keys(table) == set()
    assert await inbox.handle([(good, write_down), (bad, write_down)]) == [True, True]


async def test_an_item_that_dynamodb_refuses_leaves_nothing_of_the_whole_batch(table: Table, inbox: TableInbox) -> None:
    async def write_too_much(tx: TableTransaction, event: Event) -> None:
        tx.put({"pk": "big", "sk": "1", "text": "x" * 400 * 1024})

    with pytest.raises(ClientError, match="size"):
        await inbox.handle([(event("thing-1"), write_down), (event("thing-2"), write_too_much)])
    assert keys(table) == set()


async def test_copies_handled_at_the_same_time_have_one_effect(table: Table, inbox: TableInbox) -> None:
    once, arrived, calls = event(), asyncio.Barrier(4), itertools.count()

    async def write_together(tx: TableTransaction, event: Event) -> None:
        if next(calls) < arrived.parties:
            await arrived.wait()  # all have asked the table by now, and found nothing
        await write_down(tx, event)

    others = [event(f"thing-{number}") for number in range(2, 6)]
    batches = [[(once, write_together), (other, write_down)] for other in others]

    answers = await asyncio.gather(*(inbox.handle(batch) for batch in batches))

    assert sorted(answers) == [[False, True]] * 3 + [[True, True]]
    assert effects(table) == [f"thing-{number} 1" for number in range(1, 6)]


async def test_what_many_decide_at_the_same_time_is_decided_again_until_it_is_right(
    table: Table, inbox: TableInbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_inbox, "ATTEMPTS", 50)

    answers = await asyncio.gather(*(inbox.handle([(event(), count_up)]) for _ in range(8)))

    assert answers == [[True]] * 8
    assert await counted(table, 8)


async def test_who_is_never_let_through_raises(
    table: Table, inbox: TableInbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_inbox, "BACKOFF_SECONDS", 0.001)
    await inbox.handle([(event(), count_up)])
    attempts = itertools.count()

    async def decide_by_what_was(tx: TableTransaction, event: Event) -> None:
        next(attempts)
        tx.put({"pk": "counter", "sk": "1"}, if_absent=True)

    with pytest.raises(ConflictError):
        await inbox.handle([(event(), decide_by_what_was)])
    assert next(attempts) == table_inbox.ATTEMPTS


async def test_a_conflict_of_transactions_is_tried_again(
    table: Table, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    conflict = refusal("TransactionCanceledException", "TransactionConflict", "None")
    faults: Iterator[Fault] = iter(["none", conflict])
    async with flaky(emulator.url, lambda: next(faults, "none")) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", url)
        async with opened(table.name) as busy:
            assert await TableInbox(busy).handle([(event(), write_down)]) == [True]
    assert effects(table) == ["thing-1 1"]


async def test_messages_have_their_effect_once_whoever_receives_them(table: Table, queue: Queue) -> None:
    events = [event(f"thing-{number}") for number in range(15)]
    send(queue, *events, *reversed(events))
    async with (
        opened(table.name) as other,
        running(consumer(table, queue, write_down), consumer(other, queue, write_down)),
    ):
        await eventually(lambda: is_empty(queue))
    assert effects(table) == sorted(f"thing-{number} 1" for number in range(15))


async def test_a_message_that_fails_is_set_aside_and_holds_nobody_up(table: Table, queue: Queue) -> None:
    async def refuse_the_second(tx: TableTransaction, event: Event) -> None:
        await (fail if event.aggregate_id == "thing-2" else write_down)(tx, event)

    send(queue, *(event(f"thing-{number}") for number in range(1, 4)))
    async with running(consumer(table, queue, refuse_the_second)):
        dead = await asyncio.to_thread(queue.receive_dead)
        await eventually(lambda: is_empty(queue))
    assert json.loads(dead["Body"])["aggregate_id"] == "thing-2"
    assert effects(table) == ["thing-1 1", "thing-3 1"]


async def test_a_consumer_that_ends_between_commit_and_deletion_does_nothing_twice(
    table: Table, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    send(queue, event())
    with monkeypatch.context() as patched:
        patched.setattr(InFlight, "_delete", never)
        crashing = asyncio.create_task(consumer(table, queue, count_up).run(asyncio.Event()))
        await eventually(lambda: counted(table, 1))
        crashing.cancel()
        await asyncio.gather(crashing, return_exceptions=True)

    async with running(consumer(table, queue, count_up)):
        await eventually(lambda: is_empty(queue))

    assert await counted(table, 1)


async def test_an_outage_of_the_table_uses_up_no_deliveries(
    table: Table, queue: Queue, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.aws.ATTEMPTS", 1)
    monkeypatch.setattr(module, "BACKOFF_SECONDS", 0.01)
    faults: Iterator[Fault] = iter(["unavailable"] * 6)  # more than the queue's deliveries
    async with flaky(emulator.url, lambda: next(faults, "none")) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", url)
        async with opened(table.name) as far:
            send(queue, event())
            # A machine that stands still for some seconds must not count as a dead consumer: that is a delivery.
            async with running(consumer(far, queue, write_down, visibility_seconds=60)):
                await eventually(lambda: is_empty(queue))
    assert effects(table) == ["thing-1 1"]


async def counted(table: Table, number: int) -> bool:
    counter = await table.get(Key("counter", "1"))
    return counter is not None and counter["number"] == number
