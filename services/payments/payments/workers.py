"""Work beside the messages: what orders asked for is done at the provider."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

import stamina
import structlog
from chassis.consumer import Handler
from chassis.database import DATABASE_ERRORS, Database
from chassis.inbox import SqlInbox
from chassis.messages import Event
from chassis.pacing import Heartbeat, first_of
from sqlalchemy.ext.asyncio import AsyncConnection

from payments import handlers, schedule, store
from payments.domain import Answer, PatienceOver
from payments.handlers import utc_now
from payments.provider import Notice
from payments.store import Kept
from payments.teller import Teller

AT_ONCE = 64
"""At 0.3 s a call these are two hundred calls a second."""
POLL_SECONDS = 1.0
GATHER_SECONDS = 0.02
"""Outcomes that come so close together are kept in one transaction."""
STUCK_SECONDS = 60.0

log = structlog.get_logger(__name__)


class Cashier:
    """Asks the provider about the payments that are due, and keeps what it says. Any number may run at once.

    A payment is claimed by a lease, the provider is asked outside of any transaction, and the outcome is kept in one
    transaction with its event. Wherever a process dies in between, the lease runs out and the provider is asked again
    under the same idempotency key.

    due: set when there may be something to do at once; other than that, it looks each second.
    """

    name = "cashier"

    def __init__(self, database: Database, teller: Teller, due: asyncio.Event) -> None:
        self._database = database
        self._teller = teller
        self._due = due
        self._in_hand = 0
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
                await first_of(stopping, self._due, seconds=POLL_SECONDS)

    async def hear(self, notice: Notice, now: datetime | None = None) -> None:
        """The entry for what the provider calls back with."""
        await handlers.provider_calls_back(self._database, notice, now)
        self._due.set()

    async def round(self, now: datetime) -> int:
        """Sees to the payments that are due, AT_ONCE of them at most; how many they were."""
        claimed = await self._claim(now)
        await self._work(claimed, lambda: now)
        return len(claimed)

    async def _claim(self, now: datetime) -> list[Kept]:
        room = AT_ONCE - self._in_hand
        if room == 0:
            return []
        async with self._database.transaction() as tx:
            claimed = await store.claim(tx, now=now, lease=schedule.LEASE, at_most=room)
        self._in_hand += len(claimed)
        return claimed

    async def _work(self, claimed: Sequence[Kept], clock: Callable[[], datetime]) -> None:
        """Asks about all of them at once, and keeps each outcome without waiting for much slower ones."""
        async with asyncio.TaskGroup() as group:
            asking = {group.create_task(self._ask(kept, clock())) for kept in claimed}
            while asking:
                answered, asking = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
                if asking:
                    soon, asking = await asyncio.wait(asking, timeout=GATHER_SECONDS)
                    answered |= soon
                await self._record([task.result() for task in answered], clock())
                self._due.set()

    async def _ask(self, kept: Kept, now: datetime) -> tuple[Kept, Answer | PatienceOver | None]:
        try:
            if schedule.patience_is_over(kept, now):
                return kept, PatienceOver()
            return kept, await self._teller.ask(kept)
        finally:
            self._in_hand -= 1

    async def _record(self, asked: Sequence[tuple[Kept, Answer | PatienceOver | None]], now: datetime) -> None:
        answers = {kept.payment.id: answer for kept, answer in asked if answer is not None}
        unanswered = [kept for kept, answer in asked if answer is None]
        try:
            async for attempt in stamina.retry_context(on=DATABASE_ERRORS, attempts=3, timeout=None, wait_initial=0.1):
                with attempt:
                    await handlers.record(self._database, answers, unanswered, now=now)
        except Exception:
            # Their leases run out, and the provider will say the same again.
            log.exception("outcomes_not_recorded", payments=len(asked))


class WakingInbox(SqlInbox):
    """An inbox that tells the cashier of this process when a handler may have left it something to do."""

    def __init__(self, database: Database, due: asyncio.Event) -> None:
        super().__init__(database)
        self._due = due

    async def handle(self, batch: Sequence[tuple[Event, Handler[AsyncConnection]]]) -> list[bool]:
        handled = await super().handle(batch)
        self._due.set()
        return handled
