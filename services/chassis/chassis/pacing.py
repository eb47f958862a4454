"""How a worker waits: interruptible pauses, growing delays, a heartbeat."""

import asyncio
import time
from secrets import SystemRandom

_random = SystemRandom()


async def pause(stopping: asyncio.Event, seconds: float) -> None:
    """Sleeps, but not longer than until `stopping` is set."""
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        pass


async def first_of(*events: asyncio.Event, seconds: float) -> None:
    """Returns when one of them is set, or after so many seconds."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


def growing(failures: int, *, first_seconds: float, most_seconds: float) -> float:
    """The delay after so many failures in a row (1, 2, ...): doubled each time, up to a limit."""
    return float(min(most_seconds, first_seconds * 2 ** min(failures - 1, 30)))


def jittered(seconds: float) -> float:
    """Between half of it and all of it, so that many who failed together do not come back together."""
    return seconds * _random.uniform(0.5, 1)


class Heartbeat:
    """Tells a worker that goes round from one that hangs."""

    def __init__(self, limit_seconds: float) -> None:
        self._limit_seconds = limit_seconds
        self._last = time.monotonic()

    def beat(self) -> None:
        self._last = time.monotonic()

    def alive(self) -> bool:
        return time.monotonic() - self._last < self._limit_seconds
