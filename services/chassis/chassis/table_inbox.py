"""The inbox of a service with a DynamoDB table: remembers which events were handled, as chassis.inbox does in SQL."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta

from chassis.consumer import Handler
from chassis.items import Item, Key
from chassis.messages import Event
from chassis.pacing import exponential_backoff, with_jitter
from chassis.queue import BATCH_ENTRIES
from chassis.table import ConflictError, Table, TableTransaction

RETENTION = timedelta(days=14)
"""No copy of a message can arrive later: SQS keeps a message for 14 days at most."""
ATTEMPTS = 6
"""How often a batch is tried whose items others write at the same time: for about a second."""
BACKOFF_SECONDS = 0.05
BACKOFF_MAX_SECONDS = 1.0


Reads = Callable[[Event], Collection[Key]]


def reads_nothing(_event: Event) -> Collection[Key]:
    return ()


class TableInbox:
    """A handler writes in the transaction that remembers its event. Implements chassis.consumer.Inbox.

    When others write the same items at the same time, the handlers are called again with what those have written.

    reads: the keys that the handler of an event is going to read, at most nine; they are read in one call per batch.
    """

    max_concurrency = BATCH_ENTRIES
    max_batch_size = BATCH_ENTRIES

    def __init__(self, table: Table, reads: Reads = reads_nothing) -> None:
        self._table = table
        self._reads = reads

    async def ping(self) -> None:
        await self._table.ping()

    async def prune(self) -> int:
        """Nothing: DynamoDB deletes what has expired."""
        return 0

    async def handle(self, batch: Sequence[tuple[Event, Handler[TableTransaction]]]) -> list[bool]:
        """See Inbox. Raises ConflictError when all ATTEMPTS conflicted with writes of others."""
        own = {_key(event) for event, _ in batch}
        # Duplicates are looked up first: their handlers might fail, as the state has moved on since. For one that is
        # written after this look-up, the condition of the write fails.
        wanted = own.union(*(self._reads(event) for event, _ in batch))
        found = await self._table.get_many(wanted)
        copies = own.intersection(found)
        known = {key: found.get(key) for key in wanted - own}
        attempt = 0
        while True:
            try:
                return await self._handle(batch, copies, known)
            except ConflictError as conflict:
                attempt += 1
                if attempt == ATTEMPTS:
                    raise
                copies |= conflict.refused & own
                known = {}
            seconds = exponential_backoff(attempt, first_seconds=BACKOFF_SECONDS, max_seconds=BACKOFF_MAX_SECONDS)
            await asyncio.sleep(with_jitter(seconds))

    async def _handle(
        self,
        batch: Sequence[tuple[Event, Handler[TableTransaction]]],
        copies: Collection[Key],
        known: Mapping[Key, Item | None],
    ) -> list[bool]:
        seen = set(copies)
        handled = []
        async with self._table.transaction(known) as tx:
            for event, handler in batch:
                key = _key(event)
                new = key not in seen
                if new:
                    seen.add(key)
                    tx.put(_item(key), if_absent=True)
                    await handler(tx, event)
                handled.append(new)
        return handled


def _key(event: Event) -> Key:
    return Key(f"inbox#{event.id}", "inbox")


def _item(key: Key) -> Item:
    return {"pk": key.pk, "sk": key.sk, "expires_at": int(time.time() + RETENTION.total_seconds())}
