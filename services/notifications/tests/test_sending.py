"""What is written into a log is sent: at least once, and not twice where that can be avoided."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from chassis.messages import Event
from chassis.table import Table
from chassis.table_inbox import TableInbox
from notifications import handlers, store, workers
from notifications.domain import RETENTION, Entry
from notifications.senders import LogSender
from notifications.store import Unsent
from notifications.subscriptions import HANDLERS
from notifications.workers import MAX_BATCH, RETRY_SECONDS, Dispatcher
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from services.chassis.tests.flaky import Fault, flaky
from tests.fixtures import Emulator, eventually

from .outbound import Failing, Hanging, Recorder
from .people import NOON, Person, cancelled, placed, signed_up, told_again

NOW = datetime.now(UTC)
SOON = NOW + timedelta(milliseconds=1)
ADA = Person("ada", httpx.AsyncClient())


@pytest.fixture
def table(own_table: Table) -> Table:
    return own_table


async def record(table: Table, *events: Event, now: datetime = NOW) -> None:
    for event in events:
        async with table.transaction() as tx:
            await handlers.record(tx, event, now)


async def unsent(table: Table) -> int:
    return len(await table.query(store.UNSENT, limit=1000))


async def test_what_is_recorded_is_sent_and_then_no_more(table: Table) -> None:
    sender = Recorder()
    await record(table, signed_up(ADA), placed(ADA, "o-1"))
    dispatcher = Dispatcher(table, sender)

    assert [await dispatcher.run_once(SOON), await dispatcher.run_once(SOON)] == [2, 0]

    assert sorted(sender.texts()) == ["Welcome, Ada.", "You placed order o-1 for 12.50 EUR."]
    assert await unsent(table) == 0


async def test_a_fact_that_is_told_again_is_sent_once(table: Table) -> None:
    sender = Recorder()
    once = placed(ADA, "o-1")
    await record(table, once, told_again(once))
    dispatcher = Dispatcher(table, sender)
    await dispatcher.run_once(SOON)

    await record(table, told_again(once), told_again(once, occurred_at=NOON + timedelta(seconds=1)))
    await dispatcher.run_once(SOON)

    assert len(sender.sent) == 1


async def test_a_fact_that_is_older_than_any_entry_is_not_sent(table: Table) -> None:
    await record(table, placed(ADA, "o-1", occurred_at=NOW - RETENTION - timedelta(seconds=1)))

    assert await Dispatcher(table, Recorder()).run_once(SOON) == 0


async def test_nothing_is_sent_of_what_was_not_stored(table: Table) -> None:
    async def record_and_fail() -> None:
        async with table.transaction() as tx:
            await handlers.record(tx, placed(ADA, "o-1"), NOW)
            raise LookupError

    with pytest.raises(LookupError):
        await record_and_fail()

    assert await Dispatcher(table, Recorder()).run_once(SOON) == 0


async def test_what_cannot_be_sent_is_tried_again_later_each_time_until_it_is(table: Table) -> None:
    pauses_seconds = [60, 120, 240, 480, 900, 900]
    sender = Failing(len(pauses_seconds))
    await record(table, placed(ADA, "o-1"))
    dispatcher, now = Dispatcher(table, sender), SOON
    assert await dispatcher.run_once(now) == 1

    for seconds in pauses_seconds:
        assert await dispatcher.run_once(now + timedelta(seconds=seconds)) == 0
        now += timedelta(seconds=seconds + 1)
        assert await dispatcher.run_once(now) == 1

    assert len(sender.sent) == 1
    assert await unsent(table) == 0


async def test_what_fails_holds_nothing_else_up(table: Table) -> None:
    sender = Failing(MAX_BATCH)
    await record(table, *(placed(ADA, f"o-{number}") for number in range(MAX_BATCH)))
    await record(table, placed(ADA, "late"), now=NOW + timedelta(microseconds=1))
    dispatcher = Dispatcher(table, sender)

    assert [await dispatcher.run_once(SOON), await dispatcher.run_once(SOON)] == [MAX_BATCH, 1]

    assert sender.texts() == ["You placed order late for 12.50 EUR."]


async def test_what_could_not_be_sent_for_two_days_is_given_up(table: Table) -> None:
    long_ago = NOW - store.SENT_WITHIN - timedelta(seconds=1)
    await record(table, placed(ADA, "o-1"), now=long_ago)

    assert await Dispatcher(table, Recorder()).run_once(NOW) == 0


async def test_of_two_processes_one_sends(table: Table) -> None:
    sender = Recorder()
    orders = [f"o-{number}" for number in range(30)]
    await record(table, *(placed(ADA, order) for order in orders))
    dispatchers = [Dispatcher(table, sender) for _ in range(3)]

    while await unsent(table):
        await asyncio.gather(*(dispatcher.run_once(SOON) for dispatcher in dispatchers))

    assert sorted(entry.reference for entry in sender.sent) == sorted(orders)


async def test_what_another_process_was_faster_to_claim_is_left_out_and_the_rest_claimed_at_once(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    await record(table, *(placed(ADA, f"o-{number}") for number in range(10)))
    due = await store.due(table, SOON, MAX_BATCH)
    for unsent in due[:3]:
        await store.claim(table, [(unsent, SOON + timedelta(hours=1))])
    claims: list[int] = []

    async def as_it_was(*_: object) -> Sequence[Unsent]:
        return due

    async def counted(table: Table, each_until: Sequence[tuple[Unsent, datetime]]) -> list[Unsent]:
        claims.append(len(each_until))
        return await claim(table, each_until)

    claim = store.claim
    monkeypatch.setattr(store, "due", as_it_was)
    monkeypatch.setattr(store, "claim", counted)

    assert await Dispatcher(table, Recorder()).run_once(SOON) == 7
    assert claims == [10, 7]


async def test_while_one_process_sends_no_other_does(table: Table) -> None:
    slow, other = Hanging(), Recorder()
    await record(table, placed(ADA, "o-1"))
    sending = asyncio.create_task(Dispatcher(table, slow).run_once(SOON))
    await eventually(lambda: _true(slow.sent))

    assert await Dispatcher(table, other).run_once(SOON + timedelta(seconds=workers.SEND_SECONDS)) == 0
    slow.go_on.set()
    await sending
    assert await Dispatcher(table, other).run_once(SOON + timedelta(days=1)) == 0


async def test_a_process_that_ends_while_it_sends_is_succeeded_by_another(table: Table) -> None:
    doomed, other = Hanging(), Recorder()
    await record(table, placed(ADA, "o-1"))
    sending = asyncio.create_task(Dispatcher(table, doomed).run_once(SOON))
    await eventually(lambda: _true(doomed.sent))
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)

    await Dispatcher(table, other).run_once(SOON + timedelta(seconds=RETRY_SECONDS + 1))

    # Whether the first one got through, nobody can know: the id tells the receiver.
    assert [entry.id for entry in other.sent] == [entry.id for entry in doomed.sent]


async def test_a_sender_that_hangs_is_given_up(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "SEND_SECONDS", 0.05)
    await record(table, placed(ADA, "o-1"))

    assert await Dispatcher(table, Hanging()).run_once(SOON) == 1

    assert await unsent(table) == 1


async def test_the_worker_goes_on_after_an_outage_and_ends_when_it_is_told(
    table: Table, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.aws.ATTEMPTS", 1)
    monkeypatch.setattr(workers, "POLL_SECONDS", 0.02)
    faults: Iterator[Fault] = iter(["unavailable", "answer lost", "none", "unavailable"])
    sender, stopping = Recorder(), asyncio.Event()
    await record(table, placed(ADA, "o-1"), cancelled(ADA, "o-1"))
    async with flaky(emulator.url, lambda: next(faults, "none")) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", url)
        far = Table(table.name)
        await far.open()
        dispatcher = Dispatcher(far, sender)
        running = asyncio.create_task(dispatcher.run(stopping))
        await eventually(lambda: _true(len(sender.sent) == 2))
        assert dispatcher.healthy()
        stopping.set()
        async with asyncio.timeout(30):
            await running
        await far.close()


async def test_a_fact_told_by_many_at_the_same_time_is_sent_once(table: Table) -> None:
    once, inbox, sender = placed(ADA, "o-1"), TableInbox(table), Recorder()
    copies = [told_again(once) for _ in range(5)]

    await asyncio.gather(*(inbox.handle([(copy, HANDLERS[copy.type])]) for copy in copies))
    await Dispatcher(table, sender).run_once(
        datetime.now(UTC) + timedelta(minutes=1)
    )  # the handlers took the real time

    assert len(sender.sent) == 1


async def test_neither_log_nor_metric_tells_of_whom_or_what(table: Table) -> None:
    before = [REGISTRY.get_sample_value("notifications_sent_total", {"outcome": each}) or 0 for each in _OUTCOMES]
    await record(table, signed_up(ADA, "Ada Lovelace"))

    class FailingFirst(LogSender, Failing):
        async def send(self, entry: Entry) -> None:
            await Failing.send(self, entry)
            await LogSender.send(self, entry)

    dispatcher = Dispatcher(table, FailingFirst(1))
    with capture_logs() as lines:
        await dispatcher.run_once(SOON)
        await dispatcher.run_once(SOON + timedelta(seconds=RETRY_SECONDS + 1))

    assert [line["event"] for line in lines] == ["notification_not_sent", "notification_sent"]
    assert not any(secret in repr(lines) for secret in ("Ada", "ada", "example.com"))
    after = [REGISTRY.get_sample_value("notifications_sent_total", {"outcome": each}) or 0 for each in _OUTCOMES]
    assert [new - old for new, old in zip(after, before, strict=True)] == [1, 1]


_OUTCOMES = ("failed", "sent")


async def _true(value: object) -> bool:
    return bool(value)
