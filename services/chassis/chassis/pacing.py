"""How a worker waits: interruptible pauses, growing delays, a heartbeat."""

import asyncio
import time
from secrets import SystemRandom

_random = SystemRandom()


async def pause(stopping: asyncio.Event, seconds: float) -> None:
    """Sleeps for so many seconds, or until `stopping` is set."""
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        pass


async def wait_for_any(*events: asyncio.Event, seconds: float) -> None:
    """Returns when one of them is set, or after so many seconds."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


def exponential_backoff(failures: int, *, first_seconds: float, max_seconds: float) -> float:
    """The delay after so many failures in a row: first_seconds after one, doubled with each further one."""
    return float(min(max_seconds, first_seconds * 2 ** min(failures - 1, 30)))


def with_jitter(seconds: float) -> float:
    """A random time between half of it and all of it, so that those who failed together do not retry together."""
    return seconds * _random.uniform(0.5, 1)


class Heartbeat:
    """Tells whether a worker still makes progress: it has to beat at least every limit_seconds."""

    def __init__(self, limit_seconds: float) -> None:
        self._limit_seconds = limit_seconds
        self._last = time.monotonic()

    def beat(self) -> None:
        self._last = time.monotonic()

    def alive(self) -> bool:
        return time.monotonic() - self._last < self._limit_seconds
