"""The messages a consumer has received and not done with yet."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from weakref import WeakValueDictionary

import structlog

from chassis.aws import AWS_ERRORS
from chassis.queue import BATCH_ENTRIES, Message, Queue

DELETE_DELAY_SECONDS = 0.02
"""A deletion waits this long for company: ten in one call cost as much as one."""

Handle = Callable[[], Awaitable[int | None]]
"""Returns None when its message is done with, else the seconds after which it shall come again. Must not raise."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Held:
    message: Message
    since: float


class InHand:
    """Works on messages, so many at once, those of one key one after the other in the order of `take`.

    Keeps them hidden from other consumers meanwhile, deletes the done, gives back the failed.
    """

    def __init__(self, queue: Queue, *, at_once: int, visibility_seconds: int) -> None:
        self._queue = queue
        self._visibility_seconds = visibility_seconds
        self._slots = asyncio.Semaphore(at_once)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._held: dict[str, _Held] = {}
        self._waiting: dict[asyncio.Task[None], Message] = {}
        self._fewer_waiting = asyncio.Event()
        self._done: list[Message] = []

    async def room(self) -> None:
        """Returns when so few messages wait that it is time to receive more. To hoard would keep them from others."""
        while len(self._waiting) >= BATCH_ENTRIES:
            self._fewer_waiting.clear()
            await self._fewer_waiting.wait()

    def take(self, group: asyncio.TaskGroup, message: Message, key: str, handle: Handle) -> None:
        """Sees to the message in a task of the group."""
        self._held[message.receipt] = _Held(message, time.monotonic())
        turn = self._turns.setdefault(key, asyncio.Lock())
        self._waiting[group.create_task(self._work(message, turn, handle))] = message

    async def give_back_waiting(self) -> None:
        """Makes what was not begun visible to others at once."""
        waiting, self._waiting = self._waiting, {}
        for task, message in waiting.items():
            task.cancel()
            del self._held[message.receipt]
        self._fewer_waiting.set()
        await self._hide(list(waiting.values()), 0)

    async def keep_hidden(self) -> None:
        """Extends the visibility time-out of what takes long, until it is cancelled."""
        interval_seconds = self._visibility_seconds / 3
        while True:
            await asyncio.sleep(interval_seconds)
            # The young are left out: most of them are done before the call would be.
            young_since = time.monotonic() - interval_seconds / 2
            await self._hide(
                [held.message for held in self._held.values() if held.since < young_since],
                self._visibility_seconds,
            )

    async def _work(self, message: Message, turn: asyncio.Lock, handle: Handle) -> None:
        async with turn, self._slots:
            self._begin()
            again_seconds = await handle()
        if again_seconds is None:
            await self._delete(message)
        else:
            del self._held[message.receipt]
            await self._hide([message], again_seconds)

    def _begin(self) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._waiting.pop(task, None)
        self._fewer_waiting.set()

    async def _delete(self, message: Message) -> None:
        self._done.append(message)
        if len(self._done) > 1:
            return  # the first one deletes for all that come meanwhile
        await asyncio.sleep(DELETE_DELAY_SECONDS)
        done, self._done = self._done, []
        for other in done:
            del self._held[other.receipt]
        try:
            await self._queue.delete(done)
        except AWS_ERRORS as error:
            # They come again, and the inbox knows them.
            log.warning("messages_not_deleted", count=len(done), reason=type(error).__name__)

    async def _hide(self, messages: list[Message], seconds: int) -> None:
        try:
            await self._queue.hide(messages, seconds)
        except AWS_ERRORS as error:
            # They come again when their time-out is over.
            log.warning("messages_not_hidden", count=len(messages), reason=type(error).__name__)
