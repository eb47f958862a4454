"""Work beside the requests. Any number of each worker may run at once."""

import asyncio
from abc import ABC, abstractmethod
from datetime import UTC, datetime

import structlog
from chassis.database import DATABASE_ERRORS, Database
from chassis.pacing import Heartbeat, pause

from orders import metrics, placing, timers

STUCK_SECONDS = 120.0
"""More than a round can take when every statement of it runs into its time-out, which one round may not survive."""

log = structlog.get_logger(__name__)


class _PeriodicWorker(ABC):
    """Does one bounded round after the other, and rests when there was nothing to do."""

    name: str
    interval_seconds: float

    def __init__(self, database: Database) -> None:
        self._database = database
        self._heartbeat = Heartbeat(STUCK_SECONDS + self.interval_seconds)

    @abstractmethod
    async def run_once(self, now: datetime) -> int:
        """How much was done; 0: there is nothing left to do."""

    async def run(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            self._heartbeat.beat()
            try:
                done = await self.run_once(datetime.now(UTC))
            except DATABASE_ERRORS as error:
                # The next round does what this one left; a database that is down is no reason to be restarted.
                log.warning("round_failed", worker=self.name, reason=type(error).__name__)
                done = 0
            if not done:
                await pause(stopping, self.interval_seconds)

    def healthy(self) -> bool:
        return self._heartbeat.alive()


class KeyPruner(_PeriodicWorker):
    """Forgets old idempotency keys."""

    name = "key-pruner"
    interval_seconds = 600.0

    async def run_once(self, now: datetime) -> int:
        return await placing.prune_keys(self._database, now)


class SagaTimer(_PeriodicWorker):
    """Times out the orders that nobody answers, and asks again for what compensates them."""

    name = "saga-timer"
    interval_seconds = 1.0

    async def run_once(self, now: datetime) -> int:
        metrics.SAGA_OVERDUE.set(await timers.count_overdue(self._database, now))
        claimed = await timers.claim(self._database, now)
        for order_id, version, attempt in claimed:
            self._heartbeat.beat()
            try:
                await timers.handle_overdue(self._database, order_id, version, attempt, now)
            except DATABASE_ERRORS:
                raise
            except Exception:
                # A bug, and a matter of this one order: it comes again when its lease is over.
                log.exception("saga_failed", order_id=str(order_id))
        return len(claimed)
