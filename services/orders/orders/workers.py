"""Work beside the requests."""

import asyncio

import structlog
from chassis.database import Database
from chassis.pacing import pause
from sqlalchemy.exc import SQLAlchemyError

from orders import handlers

INTERVAL_SECONDS = 600

log = structlog.get_logger(__name__)


class KeyPruner:
    """Forgets old idempotency keys. Any number may run at once."""

    name = "key-pruner"

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            try:
                forgotten = await handlers.prune_keys(self._database)
            except (SQLAlchemyError, OSError) as error:
                # The next round does what this one left; a database that is down is no reason to be restarted.
                log.warning("keys_not_pruned", error=type(error).__name__, detail=str(error))
            else:
                log.info("keys_pruned", forgotten=forgotten)
            await pause(stopping, INTERVAL_SECONDS)

    def healthy(self) -> bool:
        return True
