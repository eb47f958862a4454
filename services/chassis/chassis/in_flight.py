"""The messages that a consumer has received and neither deleted nor returned to the queue yet."""

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
    """A message and the event in it; `event` is None when the body is not an event."""

    message: Message
    event: Event | None
    received_at: float = field(default_factory=time.monotonic)

    @property
    def key(self) -> str:
        """Deliveries of one key are processed one after the other."""
        return self.event.aggregate_id if self.event else self.message.id


ProcessBatch = Callable[[Sequence[Delivery]], Awaitable[Sequence[int | None]]]
"""Processes a batch. Returns for each delivery None when it is done, or the seconds after which the message shall be
delivered again. Must not raise."""


class InFlight:
    """Runs up to `max_concurrency` batches concurrently, each of up to `max_batch_size` deliveries.

    Deliveries of one key are processed in the order of `add`. Meanwhile their messages are kept invisible to other
    consumers; afterwards they are deleted, or returned to the queue.
    """

    def __init__(
        self,
        queue: Queue,
        group: asyncio.TaskGroup,
        process_batch: ProcessBatch,
        *,
        max_concurrency: int,
        max_batch_size: int,
        visibility_seconds: int,
    ) -> None:
        self._queue = queue
        self._group = group
        self._process_batch = process_batch
        self._free_slots = max_concurrency
        self._max_batch_size = max_batch_size
        self._visibility_seconds = visibility_seconds
        # For each slot a batch that is processed and one that waits, one that is deleted, and what is being received.
        # To hold more would keep messages from other consumers.
        self._max_total = (2 * max_concurrency + 1) * max_batch_size + BATCH_ENTRIES
        self._total = 0
        self._kept_invisible: set[Delivery] = set()
        self._waiting: list[Delivery] = []
        self._busy_keys: set[str] = set()
        self._capacity_changed = asyncio.Event()
        self._accepting = True

    async def wait_for_capacity(self) -> None:
        """Returns when the consumer should receive more messages."""
        # Deliveries that wait only for another one of their key block nobody else: they do not count while a slot is
        # free.
        while (
            not self._free_slots and len(self._waiting) >= self._max_batch_size
        ) or self._total + BATCH_ENTRIES > self._max_total:
            self._capacity_changed.clear()
            await self._capacity_changed.wait()

    async def add(self, deliveries: Sequence[Delivery]) -> None:
        """Starts to process them, in tasks of the group. After stop_accepting it returns them to the queue instead."""
        self._total += len(deliveries)
        self._kept_invisible.update(deliveries)
        self._waiting += deliveries
        if not self._accepting:
            await self.stop_accepting()
        self._start_batches()

    async def stop_accepting(self) -> None:
        """Returns to the queue, for others to receive at once, whatever is not being processed yet."""
        self._accepting = False
        waiting, self._waiting = self._waiting, []
        await self._return_to_queue(waiting, 0)

    async def keep_invisible(self) -> None:
        """Extends the visibility time-out of messages that take long, until it is cancelled."""
        interval_seconds = self._visibility_seconds / 3
        while True:
            await asyncio.sleep(interval_seconds)
            # The youngest are left out: most of them are done before the call would be.
            received_before = time.monotonic() - interval_seconds / 2
            slow = [delivery for delivery in self._kept_invisible if delivery.received_at < received_before]
            await self._change_visibility(slow, self._visibility_seconds)

    def _start_batches(self) -> None:
        while self._free_slots and (batch := self._next_batch()):
            self._free_slots -= 1
            self._group.create_task(self._run(batch))

    def _next_batch(self) -> list[Delivery]:
        """The first ones whose keys are free. The others keep their places."""
        batch = [delivery for delivery in self._waiting if delivery.key not in self._busy_keys][: self._max_batch_size]
        started = set(batch)
        self._waiting = [delivery for delivery in self._waiting if delivery not in started]
        self._busy_keys.update(delivery.key for delivery in batch)
        return batch

    async def _run(self, batch: list[Delivery]) -> None:
        answers = await self._process_batch(batch)
        self._busy_keys.difference_update(delivery.key for delivery in batch)
        self._free_slots += 1
        # The next batch starts before this one is deleted.
        self._start_batches()
        self._capacity_changed.set()
        by_seconds: dict[int | None, list[Delivery]] = {}
        for delivery, seconds in zip(batch, answers, strict=True):
            by_seconds.setdefault(seconds, []).append(delivery)
        await self._delete(by_seconds.pop(None, []))
        for seconds, failed in by_seconds.items():
            await self._return_to_queue(failed, seconds or 0)

    async def _delete(self, done: Sequence[Delivery]) -> None:
        self._kept_invisible.difference_update(done)
        try:
            await self._queue.delete([delivery.message for delivery in done])
        except AWS_ERRORS as error:
            # They are delivered again, and the inbox knows them.
            log.warning("messages_not_deleted", count=len(done), reason=type(error).__name__)
        self._remove(done)

    async def _return_to_queue(self, deliveries: Sequence[Delivery], seconds: int) -> None:
        self._kept_invisible.difference_update(deliveries)
        await self._change_visibility(deliveries, seconds)
        self._remove(deliveries)

    def _remove(self, deliveries: Sequence[Delivery]) -> None:
        self._total -= len(deliveries)
        self._capacity_changed.set()

    async def _change_visibility(self, deliveries: Sequence[Delivery], seconds: int) -> None:
        try:
            await self._queue.change_visibility([delivery.message for delivery in deliveries], seconds)
        except AWS_ERRORS as error:
            # They are delivered again when their time-out is over.
            log.warning("messages_not_hidden", count=len(deliveries), reason=type(error).__name__)
