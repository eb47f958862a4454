"""Work beside the requests."""

import asyncio
from datetime import UTC, datetime

import structlog
from chassis.database import DATABASE_ERRORS, Database
from chassis.pacing import pause

from inventory import handlers

INTERVAL_SECONDS = 5

log = structlog.get_logger(__name__)


class ReservationExpirer:
    """Gives back the stock of orders that nobody paid for in time. Any number may run at once."""

    name = "reservation-expirer"

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            expired = 0
            try:
                expired = await self.run_once(datetime.now(UTC))
            except DATABASE_ERRORS as error:
                # The next round does what this one left; a database that is down is no reason to be restarted.
                log.warning("reservations_not_expired", error=type(error).__name__, detail=str(error))
            if expired < handlers.EXPIRE_BATCH:
                await pause(stopping, INTERVAL_SECONDS)

    async def run_once(self, now: datetime) -> int:
        """Expires a bounded number of the reservations that are due at `now` (UTC); how many they were."""
        expired = await handlers.expire(self._database, now)
        if expired:
            log.info("reservations_expired", count=expired)
        return expired

    def healthy(self) -> bool:
        return True
