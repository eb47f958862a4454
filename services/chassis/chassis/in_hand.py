"""The messages a consumer has received and not done with yet."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import structlog

from chassis.aws import AWS_ERRORS
from chassis.messages import Event
from chassis.queue import BATCH_ENTRIES, Message, Queue

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """A message and what is in it; `event` is None where that is no event."""

    message: Message
    event: Event | None
    since: float = field(default_factory=time.monotonic)

    @property
    def key(self) -> str:
        """Those of one key are worked on one after the other."""
        return self.event.aggregate_id if self.event else self.message.id


Handle = Callable[[Sequence[Delivery]], Awaitable[Sequence[int | None]]]
"""Sees to a batch: for each of its deliveries None when that is done with, else the seconds after which the message
shall come again. Must not raise."""


class InHand:
    """Works on deliveries batch by batch, so many batches at once and so many deliveries together in each; those of one
    key in the order of `take`.

    Keeps them hidden from other consumers meanwhile, deletes the done, gives back the failed.
    """

    def __init__(
        self,
        queue: Queue,
        group: asyncio.TaskGroup,
        handle: Handle,
        *,
        at_once: int,
        together: int,
        visibility_seconds: int,
    ) -> None:
        self._queue = queue
        self._group = group
        self._handle = handle
        self._free = at_once
        self._together = together
        self._visibility_seconds = visibility_seconds
        # What is in work, being deleted, waiting and being received. To hoard would keep messages from others.
        self._most = (2 * at_once + 1) * together + BATCH_ENTRIES
        self._here = 0
        self._held: set[Delivery] = set()
        self._waiting: list[Delivery] = []
        self._busy: set[str] = set()
        self._fewer = asyncio.Event()
        self._stopped = False

    async def room(self) -> None:
        """Returns when it is time to receive more."""
        # Those that wait for another of their key keep nobody else from being worked on.
        while (not self._free and len(self._waiting) >= self._together) or self._here + BATCH_ENTRIES > self._most:
            self._fewer.clear()
            await self._fewer.wait()

    async def take(self, deliveries: Sequence[Delivery]) -> None:
        """Sees to them in tasks of the group; after begin_no_more gives them back."""
        self._here += len(deliveries)
        self._held.update(deliveries)
        self._waiting += deliveries
        if self._stopped:
            await self.begin_no_more()
        self._begin()

    async def begin_no_more(self) -> None:
        """Makes what was not begun visible to others at once."""
        self._stopped = True
        waiting, self._waiting = self._waiting, []
        await self._give_back(waiting, 0)

    async def keep_hidden(self) -> None:
        """Extends the visibility time-out of what takes long, until it is cancelled."""
        interval_seconds = self._visibility_seconds / 3
        while True:
            await asyncio.sleep(interval_seconds)
            # The young are left out: most of them are done before the call would be.
            young_since = time.monotonic() - interval_seconds / 2
            await self._hide([held for held in self._held if held.since < young_since], self._visibility_seconds)

    def _begin(self) -> None:
        while self._free and (batch := self._next()):
            self._free -= 1
            self._group.create_task(self._work(batch))

    def _next(self) -> list[Delivery]:
        """The first that may be begun. What waits for another of its key keeps its place."""
        batch = [waiting for waiting in self._waiting if waiting.key not in self._busy][: self._together]
        begun = set(batch)
        self._waiting = [waiting for waiting in self._waiting if waiting not in begun]
        self._busy.update(delivery.key for delivery in batch)
        return batch

    async def _work(self, batch: list[Delivery]) -> None:
        answers = await self._handle(batch)
        self._busy.difference_update(delivery.key for delivery in batch)
        self._free += 1
        # The next batch is begun before this one is deleted.
        self._begin()
        self._fewer.set()
        again: dict[int | None, list[Delivery]] = {}
        for delivery, seconds in zip(batch, answers, strict=True):
            again.setdefault(seconds, []).append(delivery)
        await self._delete(again.pop(None, []))
        for seconds, failed in again.items():
            await self._give_back(failed, seconds or 0)

    async def _delete(self, done: Sequence[Delivery]) -> None:
        self._held.difference_update(done)
        try:
            await self._queue.delete([delivery.message for delivery in done])
        except AWS_ERRORS as error:
            # They come again, and the inbox knows them.
            log.warning("messages_not_deleted", count=len(done), reason=type(error).__name__)
        self._leave(done)

    async def _give_back(self, deliveries: Sequence[Delivery], seconds: int) -> None:
        self._held.difference_update(deliveries)
        await self._hide(deliveries, seconds)
        self._leave(deliveries)

    def _leave(self, deliveries: Sequence[Delivery]) -> None:
        self._here -= len(deliveries)
        self._fewer.set()

    async def _hide(self, deliveries: Sequence[Delivery], seconds: int) -> None:
        try:
            await self._queue.hide([delivery.message for delivery in deliveries], seconds)
        except AWS_ERRORS as error:
            # They come again when their time-out is over.
            log.warning("messages_not_hidden", count=len(deliveries), reason=type(error).__name__)
