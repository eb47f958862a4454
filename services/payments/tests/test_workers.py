"""The worker: quick, safe in any number, and not to be held up."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from chassis import outbox
from chassis.database import Database
from payments import handlers, schedule, store, tracing, workers
from payments.bootstrap import PaymentsSettings
from payments.domain import Captured, Charge, Declined, Refunded, Voided
from payments.handlers import utc_now
from payments.provider import Pending
from payments.provider_client import ProviderClient
from payments.subscriptions import HANDLERS
from payments.tables import payments
from payments.workers import MAX_IN_FLIGHT, PaymentWorker, WakingInbox
from structlog.testing import capture_logs

from tests.fixtures import eventually

from .shop import NOON, Shop, reserved


class Stub:
    """A provider that captures as it is told to. Implements Provider."""

    def __init__(self, capture: Callable[[UUID, Charge], Awaitable[Captured | Pending]]) -> None:
        self._capture = capture
        self.keys: list[str] = []

    async def capture(self, key: str, reference: UUID, charge: Charge) -> Captured | Declined | Voided | Pending:
        self.keys.append(key)
        return await self._capture(reference, charge)

    async def void(self, key: str, reference: UUID) -> Captured | Declined | Voided | Pending:
        raise NotImplementedError

    async def refund(self, key: str, provider_reference: str, charge: Charge) -> Refunded | Pending:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError


async def at_once(reference: UUID, _charge: Charge) -> Captured:
    return Captured(f"pay_{reference}")


def worker_of(shop: Shop, stub: Stub, due: asyncio.Event | None = None) -> PaymentWorker:
    return PaymentWorker(shop.database, ProviderClient(stub), due or asyncio.Event())


async def states(database: Database) -> list[str]:
    async with database.connection() as connection:
        return sorted(await connection.scalars(sa.select(payments.c.state)))


async def test_a_payment_is_captured_as_soon_as_it_is_asked_for_and_the_payment_worker_stops_when_it_is_told_to(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "POLL_SECONDS", 3600)  # it is told, and does not look
    stub, due, stopping = Stub(at_once), asyncio.Event(), asyncio.Event()
    worker = worker_of(shop, stub, due)
    inbox = WakingInbox(shop.database, due)
    at_work = asyncio.create_task(worker.run(stopping))

    async def captured() -> bool:
        return "requested" not in await states(shop.database)

    for _ in range(5):
        event = reserved(uuid4())
        await inbox.handle([(event, HANDLERS[event.type])])
        await eventually(captured)
    assert worker.healthy()
    stopping.set()
    await asyncio.wait_for(at_work, 30)

    assert await states(shop.database) == ["captured"] * 5


async def test_payments_asked_for_by_another_process_are_found_each_second(shop: Shop) -> None:
    stopping = asyncio.Event()
    at_work = asyncio.create_task(worker_of(shop, Stub(at_once)).run(stopping))
    shop.now = utc_now()
    await shop.receive(reserved(uuid4()))

    async def captured() -> bool:
        return await states(shop.database) == ["captured"]

    await eventually(captured)
    stopping.set()
    await asyncio.wait_for(at_work, 30)


async def test_a_quick_payment_does_not_wait_for_a_slow_one_to_be_told(shop: Shop) -> None:
    release = asyncio.Event()

    async def by_method(reference: UUID, charge: Charge) -> Captured:
        if charge.method == "slow":
            await release.wait()
        return await at_once(reference, charge)

    slow, quick = uuid4(), uuid4()
    await shop.receive(reserved(slow, method="slow"), reserved(quick))
    at_work = asyncio.create_task(worker_of(shop, Stub(by_method)).run_once(NOON))

    async def told() -> bool:
        return bool(await shop.told(quick))

    await eventually(told)
    assert await shop.told(slow) == []
    release.set()
    assert await at_work == 2
    assert await shop.told(slow) == [("payment.captured", 2)]


async def test_outcomes_that_come_close_together_are_kept_together(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "GATHER_SECONDS", 60)
    stored: list[int] = []
    record = handlers.record

    async def count(database: Database, answers: Mapping[UUID, Any], *rest: Any, **given: Any) -> None:
        stored.append(len(answers))
        await record(database, answers, *rest, **given)

    monkeypatch.setattr(handlers, "record", count)
    turns = iter(range(5))

    async def one_after_the_other(reference: UUID, charge: Charge) -> Captured:
        await asyncio.sleep(next(turns) / 100)
        return await at_once(reference, charge)

    await shop.receive(*(reserved(uuid4()) for _ in range(5)))
    assert await worker_of(shop, Stub(one_after_the_other)).run_once(NOON) == 5

    assert stored == [5]
    assert await states(shop.database) == ["captured"] * 5


async def test_no_payment_is_worked_on_by_two_payment_workers_at_once(shop: Shop) -> None:
    stub = Stub(at_once)
    await shop.receive(*(reserved(uuid4()) for _ in range(20)))

    done = await asyncio.gather(*(worker_of(shop, stub).run_once(NOON) for _ in range(3)))

    assert sum(done) == 20
    assert len(set(stub.keys)) == len(stub.keys) == 20


async def test_a_payment_that_somebody_else_has_locked_is_left_to_them(shop: Shop) -> None:
    locked, other = uuid4(), uuid4()
    await shop.receive(reserved(locked), reserved(other))

    async with shop.database.transaction() as tx:
        await store.lock_of_order(tx, locked)
        assert await worker_of(shop, Stub(at_once)).run_once(NOON) == 1

    assert await shop.told(other) == [("payment.captured", 2)]


async def test_what_a_killed_payment_worker_had_begun_is_done_again_under_the_same_key_when_its_lease_is_over(
    shop: Shop,
) -> None:
    never = asyncio.Event()

    async def hang(_reference: UUID, _charge: Charge) -> Pending:
        await never.wait()
        return Pending()

    killed, other = Stub(hang), Stub(at_once)
    order = uuid4()
    await shop.receive(reserved(order))
    dying = asyncio.create_task(worker_of(shop, killed).run_once(NOON))

    async def asked() -> bool:
        return bool(killed.keys)

    await eventually(asked)
    dying.cancel()
    await asyncio.wait([dying])

    almost = NOON + schedule.LEASE - timedelta(seconds=1)
    assert await worker_of(shop, other).run_once(almost) == 0
    assert await worker_of(shop, other).run_once(NOON + schedule.LEASE) == 1
    assert other.keys == killed.keys
    assert await shop.told(order) == [("payment.captured", 2)]


async def test_a_payment_worker_has_a_bounded_number_of_payments_in_hand(shop: Shop) -> None:
    release = asyncio.Event()

    async def wait(reference: UUID, charge: Charge) -> Captured:
        await release.wait()
        return await at_once(reference, charge)

    stub = Stub(wait)
    worker = worker_of(shop, stub)
    await shop.receive(*(reserved(uuid4()) for _ in range(MAX_IN_FLIGHT + 1)))
    first = asyncio.create_task(worker.run_once(NOON))

    async def full() -> bool:
        return len(stub.keys) == MAX_IN_FLIGHT

    await eventually(full)
    assert await worker.run_once(NOON) == 0
    release.set()
    assert await first == MAX_IN_FLIGHT
    assert await worker.run_once(NOON) == 1


async def test_what_the_provider_is_asked_and_what_is_published_belongs_to_the_trace_of_the_order(shop: Shop) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    traces = []

    async def look(reference: UUID, charge: Charge) -> Captured:
        traces.append(tracing.current())
        return await at_once(reference, charge)

    with tracing.continued(f"00-{trace}-00f067aa0ba902b7-01"):
        await shop.receive(reserved(uuid4()))
    await worker_of(shop, Stub(look)).run_once(NOON)

    async with shop.database.connection() as connection:
        traces += (await connection.scalars(sa.select(outbox.table.c.traceparent))).all()
    assert [(each or "").split("-")[1:2] for each in traces] == [[trace], [trace]]


async def test_the_payment_worker_outlives_a_database_that_is_down(settings: PaymentsSettings) -> None:
    nowhere = Database("postgresql://payments@127.0.0.1:1/payments")
    await nowhere.open()
    worker = PaymentWorker(nowhere, ProviderClient(Stub(at_once)), asyncio.Event())
    stopping = asyncio.Event()
    with capture_logs() as logs:
        at_work = asyncio.create_task(worker.run(stopping))

        async def told() -> bool:
            return "payments_not_claimed" in [entry["event"] for entry in logs]

        await eventually(told)
    assert not at_work.done()
    assert worker.healthy()
    stopping.set()
    await asyncio.wait_for(at_work, 30)
    await nowhere.close()
