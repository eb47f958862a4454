"""Background work: asks the payment provider for what the state of each payment calls for."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

import stamina
import structlog
from chassis.consumer import Handler
from chassis.database import DATABASE_ERRORS, Database
from chassis.inbox import SqlInbox
from chassis.messages import Event
from chassis.pacing import Heartbeat, wait_for_any
from sqlalchemy.ext.asyncio import AsyncConnection

from payments import handlers, schedule, store
from payments.domain import Answer, CaptureTimedOut
from payments.handlers import utc_now
from payments.provider import ProviderCallback
from payments.provider_client import ProviderClient
from payments.store import StoredPayment

MAX_IN_FLIGHT = 64
"""At 0.3 s a call these are two hundred calls a second."""
POLL_SECONDS = 1.0
GATHER_SECONDS = 0.02
"""Outcomes that arrive within this time are stored in one transaction."""
STUCK_SECONDS = 60.0

log = structlog.get_logger(__name__)


class PaymentWorker:
    """Asks the provider about the payments that are due, and stores its answers. Any number may run at the same time.

    A payment is claimed by a lease, the provider is asked outside of any transaction, and the outcome is stored in one
    transaction with its event. When the process dies in between, the lease expires and the provider is asked again,
    under the same idempotency key.

    due: set when a payment may be due now. Without it the worker looks each POLL_SECONDS.
    """

    name = "payment-worker"

    def __init__(self, database: Database, provider_client: ProviderClient, due: asyncio.Event) -> None:
        self._database = database
        self._provider = provider_client
        self._due = due
        self._in_flight = 0
        self._heartbeat = Heartbeat(STUCK_SECONDS)

    def healthy(self) -> bool:
        return self._heartbeat.alive()

    async def run(self, stopping: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as at_work:
            while not stopping.is_set():
                self._heartbeat.beat()
                self._due.clear()
                try:
                    claimed = await self._claim(utc_now())
                except DATABASE_ERRORS as error:
                    log.warning("payments_not_claimed", reason=type(error).__name__)
                else:
                    if claimed:
                        at_work.create_task(self._work(claimed, utc_now))
                await wait_for_any(stopping, self._due, seconds=POLL_SECONDS)

    async def handle_callback(self, callback: ProviderCallback, now: datetime | None = None) -> None:
        """Records what the provider calls back with, and wakes the worker."""
        await handlers.handle_provider_callback(self._database, callback, now)
        self._due.set()

    async def run_once(self, now: datetime) -> int:
        """Processes the payments that are due, at most MAX_IN_FLIGHT of them; returns how many."""
        claimed = await self._claim(now)
        await self._work(claimed, lambda: now)
        return len(claimed)

    async def _claim(self, now: datetime) -> list[StoredPayment]:
        capacity = MAX_IN_FLIGHT - self._in_flight
        if capacity == 0:
            return []
        async with self._database.transaction() as tx:
            claimed = await store.claim(tx, now=now, lease=schedule.LEASE, at_most=capacity)
        self._in_flight += len(claimed)
        return claimed

    async def _work(self, claimed: Sequence[StoredPayment], clock: Callable[[], datetime]) -> None:
        """Asks about all of them concurrently. An outcome is stored without waiting for those that take much longer."""
        async with asyncio.TaskGroup() as group:
            asking = {group.create_task(self._ask(stored, clock())) for stored in claimed}
            while asking:
                answered, asking = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
                if asking:
                    soon, asking = await asyncio.wait(asking, timeout=GATHER_SECONDS)
                    answered |= soon
                await self._record([task.result() for task in answered], clock())
                self._due.set()

    async def _ask(self, stored: StoredPayment, now: datetime) -> tuple[StoredPayment, Answer | CaptureTimedOut | None]:
        try:
            if schedule.has_timed_out(stored, now):
                return stored, CaptureTimedOut()
            return stored, await self._provider.ask(stored)
        finally:
            self._in_flight -= 1

    async def _record(
        self, asked: Sequence[tuple[StoredPayment, Answer | CaptureTimedOut | None]], now: datetime
    ) -> None:
        answers = {stored.payment.id: answer for stored, answer in asked if answer is not None}
        unanswered = [stored for stored, answer in asked if answer is None]
        try:
            async for attempt in stamina.retry_context(on=DATABASE_ERRORS, attempts=3, timeout=None, wait_initial=0.1):
                with attempt:
                    await handlers.record(self._database, answers, unanswered, now=now)
        except Exception:
            # When their leases expire, the provider is asked again and gives the same answers.
            log.exception("outcomes_not_recorded", payments=len(asked))


class WakingInbox(SqlInbox):
    """An inbox that wakes the payment worker of this process after each batch."""

    def __init__(self, database: Database, due: asyncio.Event) -> None:
        super().__init__(database)
        self._due = due

    async def handle(self, batch: Sequence[tuple[Event, Handler[AsyncConnection]]]) -> list[bool]:
        handled = await super().handle(batch)
        self._due.set()
        return handled
