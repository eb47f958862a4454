"""Whatever is lost, repeated, late or killed: at rest no money is anywhere that nobody was told of.

The provider's books are the judge.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest
from chassis.database import Database
from chassis.engine import password_from
from chassis.messages import Event
from hypothesis import settings as effort
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from payments.bootstrap import PaymentsSettings
from payments.domain import TIMED_OUT, Captured, Charge, Declined, Refunded, Voided
from payments.fake_provider import FakeProviderWorker
from payments.provider import OutcomeUnknownError, Pending, Provider, ProviderCallback, ProviderUnavailableError
from sqlalchemy.ext.asyncio import AsyncConnection

from .shop import Shop, cancelling, emptied, reserved

T = TypeVar("T")

AMOUNT = 1250
METHODS = ["card", "card-flaky", "card-slow", "card-timeout", "card-declined"]
AT_A_COMMIT = ["before commit", "after commit"]
AT_A_CALL = ["before call", "after call", "answer lost"]
FAULTS = st.none() | st.sampled_from(AT_A_COMMIT + AT_A_CALL)
SECONDS = st.sampled_from([0.0, 0.0, 0.6, 2.0, 16.0, 25.0])
ORDERS = st.integers(0, len(METHODS) - 1)


class Killed(BaseException):
    """The process ends here."""


@dataclass
class Fate:
    """What goes wrong from now on, after it has gone right so often."""

    what: str | None = None
    after: int = 0
    provider_is_down: bool = False

    def strikes(self, what: str) -> bool:
        if what != self.what:
            return False
        self.after -= 1
        return self.after < 0

    def may_kill(self, where: str) -> None:
        if self.strikes(where):
            raise Killed(where)


class MortalDatabase(Database):
    """A database whose client may be killed right before a commit, and right after it."""

    fate = Fate()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        async with super().transaction() as tx:
            yield tx
            self.fate.may_kill("before commit")
        self.fate.may_kill("after commit")


class Wire:
    """The way to a provider, on which anything can happen. Implements Provider."""

    def __init__(self, provider: Provider, fate: Fate) -> None:
        self._provider = provider
        self._fate = fate

    async def capture(self, key: str, reference: UUID, charge: Charge) -> Captured | Declined | Voided | Pending:
        return await self._send(lambda: self._provider.capture(key, reference, charge))

    async def void(self, key: str, reference: UUID) -> Captured | Declined | Voided | Pending:
        return await self._send(lambda: self._provider.void(key, reference))

    async def refund(self, key: str, provider_reference: str, charge: Charge) -> Refunded | Pending:
        return await self._send(lambda: self._provider.refund(key, provider_reference, charge))

    async def close(self) -> None:
        await self._provider.close()

    async def _send(self, call: Callable[[], Awaitable[T]]) -> T:
        self._fate.may_kill("before call")
        if self._fate.provider_is_down:
            raise ProviderUnavailableError
        answer = await call()
        self._fate.may_kill("after call")
        if self._fate.strikes("answer lost"):
            raise OutcomeUnknownError
        return answer


class Payments(RuleBasedStateMachine):
    """An order of each method, their messages in any order, and everything that can go wrong."""

    runner: asyncio.Runner
    database: MortalDatabase
    of_provider: Database

    @initialize(cancelled_first=st.sets(ORDERS, max_size=2))
    def open(self, cancelled_first: set[int]) -> None:
        self.orders = {uuid4(): method for method in METHODS}
        self.sent: list[Event] = []
        self.notices: list[ProviderCallback] = []
        self.fate = Fate()
        self.hindered = False
        self.runner.run(self._open())
        for number in cancelled_first:
            self.order_is_cancelling(number)
        for order, method in self.orders.items():
            self._receive(reserved(order, AMOUNT, method))

    @rule(number=ORDERS, what=st.none() | st.sampled_from(AT_A_COMMIT))
    def order_is_cancelling(self, number: int, what: str | None = None) -> None:
        self._receive(cancelling(list(self.orders)[number]), what)

    @rule(number=st.integers(0, 9), what=st.none() | st.sampled_from(AT_A_COMMIT))
    def message_comes_again(self, number: int, what: str | None) -> None:
        self._run(self.shop.receive(self.sent[number % len(self.sent)]), what)

    @rule(seconds=SECONDS, what=FAULTS, after=st.integers(0, 2))
    def worker_works(self, seconds: float, what: str | None, after: int) -> None:
        self._pass(seconds)
        self._run(self.shop.worker.run_once(self.shop.now), what, after)

    @rule(seconds=SECONDS, what=FAULTS, after=st.integers(0, 2))
    def two_workers_work_at_once(self, seconds: float, what: str | None, after: int) -> None:
        async def both() -> None:
            async with asyncio.TaskGroup() as group:
                for worker in (self.shop.worker, self.other):
                    group.create_task(worker.run_once(self.shop.now))

        self._pass(seconds)
        self._run(both(), what, after)

    @rule(number=ORDERS, what=FAULTS)
    def order_is_cancelled_at_once(self, number: int, what: str | None) -> None:
        self._receive(cancelling(list(self.orders)[number]))
        self._run(self.shop.worker.run_once(self.shop.now), what)

    @rule(what=st.none() | st.sampled_from(AT_A_COMMIT))
    def handle_provider_callback(self, what: str | None) -> None:
        self._run(self.shop.provider_worker.run_once(self.shop.now), what)

    @precondition(lambda self: self.notices)
    @rule()
    def first_callback_comes_again(self) -> None:
        self._run(self.shop.handle_callback(self.notices[0]))

    @rule(down=st.booleans())
    def provider_goes_down_or_comes_up(self, down: bool) -> None:
        self.fate.provider_is_down = down
        self.hindered |= down

    def teardown(self) -> None:
        self.fate.provider_is_down = False
        try:
            self.runner.run(self._judge())
        finally:
            self.runner.run(self.shop.fake.close())

    def _receive(self, event: Event, what: str | None = None) -> None:
        self.sent.append(event)
        self._run(self.shop.receive(event), what)

    def _pass(self, seconds: float) -> None:
        self.hindered |= seconds > 0
        self.shop.now += timedelta(seconds=seconds)

    def _run(self, work: Coroutine[Any, Any, Any], what: str | None = None, after: int = 0) -> None:
        """Does it, unless the process is killed; then there is another one."""
        self.hindered |= what is not None
        self.fate.what, self.fate.after = what, after
        try:
            self.runner.run(work)
        except* Killed:
            self._restart()
        self.fate.what = None

    def _restart(self) -> None:
        self.shop.worker, self.other = self.shop.new_worker(), self.shop.new_worker()

    async def _open(self) -> None:
        await emptied(self.database)
        self.database.fate = self.fate
        self.shop = Shop(self.database, self.of_provider, lambda fake: Wire(fake, self.fate))
        self._restart()
        self.shop.provider_worker = FakeProviderWorker(self.shop.fake, self._hear)

    async def _hear(self, callback: ProviderCallback) -> None:
        self.notices.append(callback)
        await self.shop.handle_callback(callback)

    async def _judge(self) -> None:
        """Everything that was sent comes at last, and everything that is due is done."""
        self._restart()
        await self.shop.receive(*self.sent)
        await self.shop.rest()
        for order, method in self.orders.items():
            of_order = [event.type for event in self.sent if event.aggregate_id == str(order)]
            await self._judge_order(order, method, is_cancelled="order.cancelling" in of_order)

    async def _judge_order(self, order: UUID, method: str, *, is_cancelled: bool) -> None:
        facts: dict[int, tuple[str, dict[str, Any], datetime]] = {}
        for event in await self.shop.published(order):
            fact = (event.type, event.data, event.occurred_at)
            assert facts.setdefault(event.sequence, fact) == fact
        last, data, _ = facts[max(facts)]
        captured, refunded = await self.shop.taken(order)

        assert captured in (0, AMOUNT)
        assert captured - refunded == (AMOUNT if last == "payment.captured" else 0)
        if is_cancelled:
            assert last == ("payment.refunded" if captured else "payment.voided")
        elif method == "card-declined":
            assert last == "payment.declined"
        elif not self.hindered:
            assert last == ("payment.declined" if method == "card-timeout" else "payment.captured")
        elif last == "payment.declined":
            # A process that was away for long, or whose provider was, may run out of patience.
            assert data["reason"] == TIMED_OUT
        else:
            assert last == "payment.captured"

        before = len(await self.shop.published(order))
        await self.shop.receive(cancelling(order) if is_cancelled else reserved(order))
        [again] = (await self.shop.published(order))[before:]
        assert (again.type, again.sequence, again.data) == (last, max(facts), data)


@pytest.mark.slow
@pytest.mark.timeout(300)  # to shrink what it finds takes a while
def test_at_rest_the_provider_holds_what_was_published_and_nothing_of_a_cancelled_order(
    settings: PaymentsSettings,
) -> None:
    class OnThisDatabase(Payments):
        database = MortalDatabase(settings.database_url, password=password_from(settings))
        of_provider = Database.from_settings(settings)

    with asyncio.Runner() as runner:
        OnThisDatabase.runner = runner
        runner.run(OnThisDatabase.database.open())
        spent = effort(max_examples=40, stateful_step_count=30, deadline=None, derandomize=True)
        run_state_machine_as_test(OnThisDatabase, settings=spent)
        runner.run(OnThisDatabase.database.close())
