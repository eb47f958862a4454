"""The inbox of this service: batches that lock stock without ever waiting for each other in a circle."""

from collections.abc import Sequence

from chassis.consumer import Handler
from chassis.inbox import SqlInbox
from chassis.messages import Event
from sqlalchemy.ext.asyncio import AsyncConnection

from inventory import handlers


class StockInbox(SqlInbox):
    """Takes the locks of a whole batch at once, before its first event is handled.

    Event by event, two batches that want the same articles in opposite order would deadlock. That PostgreSQL notices
    after a second only, and then the whole batch is to do again: a tenth of the throughput is left (measured with
    batches of ten orders of three articles out of a hundred, nine at once: 10 to 21 orders a second, not 148 to 202).
    MariaDB notices at once; there it only spares the repetitions.
    """

    async def handle(self, batch: Sequence[tuple[Event, Handler[AsyncConnection]]]) -> list[bool]:
        if len(batch) == 1:
            return await super().handle(batch)
        events = [event for event, _ in batch]
        locked = False

        def locking(handler: Handler[AsyncConnection]) -> Handler[AsyncConnection]:
            async def handle(tx: AsyncConnection, event: Event) -> None:
                nonlocal locked
                if not locked:
                    await handlers.lock(tx, events)
                    locked = True
                await handler(tx, event)

            return handle

        return await super().handle([(event, locking(handler)) for event, handler in batch])
