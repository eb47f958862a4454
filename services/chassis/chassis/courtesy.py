"""Work that can wait lets people pass: while a process is short of CPU time, requests come before messages.

A message is kept until it is handled, somebody who sends a request waits. Without this a burst of requests shares the
processor with what follows from it, and fewer of them are taken.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

from chassis.pacing import pause

MANY = 4
"""Requests. Fewer are no crowd."""
BUSY = 0.25
"""CPU seconds a second of this process. One event loop comes to 1 where it is alone on a processor."""
WAITS = 9
"""Times as long as the work before: it keeps a tenth of the time."""
MOST_SECONDS = 5.0
LOOK_SECONDS = 0.5


class Requests:
    """Those that a process is answering."""

    def __init__(self) -> None:
        self._present = 0

    @contextmanager
    def answering(self) -> Iterator[None]:
        self._present += 1
        try:
            yield
        finally:
            self._present -= 1

    async def give_way(self, stopping: asyncio.Event, worked_seconds: float) -> None:
        """Returns at once, unless many requests keep the process busy; then when they no longer do, or at the latest
        after WAITS times the seconds of work that the caller has just done, and after MOST_SECONDS."""
        until = time.monotonic() + min(WAITS * worked_seconds, MOST_SECONDS)
        while self._present >= MANY and (left := until - time.monotonic()) > 0 and not stopping.is_set():
            used, begun = time.process_time(), time.monotonic()
            await pause(stopping, min(left, LOOK_SECONDS))
            if time.process_time() - used < BUSY * (time.monotonic() - begun):
                return


REQUESTS = Requests()
"""Those of this process."""
