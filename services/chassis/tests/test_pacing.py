import asyncio
import time

import pytest
from chassis.pacing import Heartbeat, exponential_backoff, pause, with_jitter


def test_a_delay_doubles_up_to_its_limit() -> None:
    delays = [exponential_backoff(failures, first_seconds=0.5, max_seconds=3) for failures in (1, 2, 3, 4, 10_000)]
    assert delays == [0.5, 1, 2, 3, 3]


def test_delays_of_many_are_spread_over_the_second_half() -> None:
    delays = [with_jitter(10) for _ in range(200)]
    assert 5 <= min(delays) < 6
    assert 9 < max(delays) <= 10


async def test_a_pause_ends_when_it_is_time_to_stop() -> None:
    stopping = asyncio.Event()
    waiting = asyncio.create_task(pause(stopping, 60))
    await pause(asyncio.Event(), 0.01)
    assert not waiting.done()
    stopping.set()
    async with asyncio.timeout(5):
        await waiting


def test_a_worker_that_hangs_is_not_alive_until_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    heartbeat = Heartbeat(60)
    alive = []
    for later_seconds, beats in ((59, False), (62, False), (62, True), (120, False)):
        monkeypatch.setattr(time, "monotonic", lambda at=now + later_seconds: at)
        if beats:
            heartbeat.beat()
        alive.append(heartbeat.alive())
    assert alive == [True, False, True, True]
