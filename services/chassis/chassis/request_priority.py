"""Requests before messages: while a process is short of CPU time, its workers yield to the requests that it answers.

A message is kept until it is handled, whereas somebody waits for the answer to a request. Without this, a burst of
requests shares the processor with the messages that it causes, and fewer requests are answered.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

from chassis.pacing import pause

BURST_REQUESTS = 4
"""A worker yields only while the process answers at least so many requests."""
BUSY_CPU_SHARE = 0.25
"""A process that uses more than this share of a core, while its workers wait, is short of CPU time. An event loop that
has a core for itself uses up to 1."""
MAX_WAIT_FACTOR = 9
"""A worker waits at most so many times as long as its last batch took: it keeps a tenth of the time."""
MAX_WAIT_SECONDS = 5.0
SAMPLE_SECONDS = 0.5
"""How long the CPU time of the process is measured before a worker decides whether to wait longer."""


class ActiveRequests:
    """Counts the requests that a process is answering."""

    def __init__(self) -> None:
        self._count = 0

    @contextmanager
    def tracked(self) -> Iterator[None]:
        """Counts a request for the time of the block."""
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1

    async def yield_to_requests(self, stopping: asyncio.Event, batch_seconds: float) -> None:
        """Waits while a burst of requests keeps the process busy; returns at once when there is none.

        batch_seconds: how long the caller's last batch took. The wait is bounded by MAX_WAIT_FACTOR times that, by
        MAX_WAIT_SECONDS, and by `stopping`.
        """
        until = time.monotonic() + min(MAX_WAIT_FACTOR * batch_seconds, MAX_WAIT_SECONDS)
        while self._count >= BURST_REQUESTS and (left := until - time.monotonic()) > 0 and not stopping.is_set():
            used, started = time.process_time(), time.monotonic()
            await pause(stopping, min(left, SAMPLE_SECONDS))
            if time.process_time() - used < BUSY_CPU_SHARE * (time.monotonic() - started):
                return


REQUESTS = ActiveRequests()
"""Those of this process."""
