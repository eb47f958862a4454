"""Requests come before messages, for a bounded time and only where there is not enough CPU time for both."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack

import pytest
from chassis import request_priority
from chassis.request_priority import (
    BURST_REQUESTS,
    BUSY_CPU_SHARE,
    MAX_WAIT_FACTOR,
    MAX_WAIT_SECONDS,
    REQUESTS,
    SAMPLE_SECONDS,
    ActiveRequests,
)
from fastapi import APIRouter

from services.chassis.tests.applications import application, served

BATCH_SECONDS = 0.25


class Clock:
    """The time of a process that uses this share of a core. A pause takes no time but this clock's."""

    def __init__(self, cpu_share: float) -> None:
        self.cpu_share = cpu_share
        self.seconds = 0.0
        self.while_paused: Callable[[], None] = lambda: None

    def monotonic(self) -> float:
        return self.seconds

    def process_time(self) -> float:
        return self.seconds * self.cpu_share

    async def pause(self, _stopping: asyncio.Event, seconds: float) -> None:
        self.seconds += seconds
        self.while_paused()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Of a process that is busy."""
    clock = Clock(cpu_share=1.1 * BUSY_CPU_SHARE)
    monkeypatch.setattr(request_priority, "time", clock)
    monkeypatch.setattr(request_priority, "pause", clock.pause)
    return clock


async def waited(clock: Clock, requests: int, batch_seconds: float, stopping: asyncio.Event | None = None) -> float:
    """The seconds that a worker waits while so many requests are answered."""
    active = ActiveRequests()
    with ExitStack() as answering:
        for _ in range(requests):
            answering.enter_context(active.tracked())
        await active.yield_to_requests(stopping or asyncio.Event(), batch_seconds)
    return clock.seconds


async def test_a_worker_waits_while_a_burst_of_requests_keeps_the_process_busy_and_gets_its_share(clock: Clock) -> None:
    assert await waited(clock, BURST_REQUESTS, BATCH_SECONDS) == MAX_WAIT_FACTOR * BATCH_SECONDS


async def test_no_worker_waits_longer_than_the_maximum(clock: Clock) -> None:
    assert await waited(clock, BURST_REQUESTS, batch_seconds=60) == MAX_WAIT_SECONDS


async def test_for_a_few_requests_no_worker_waits(clock: Clock) -> None:
    assert await waited(clock, BURST_REQUESTS - 1, batch_seconds=60) == 0


async def test_where_a_burst_leaves_cpu_time_a_worker_goes_on_after_one_sample(clock: Clock) -> None:
    clock.cpu_share = 0.9 * BUSY_CPU_SHARE

    assert await waited(clock, BURST_REQUESTS, batch_seconds=60) == SAMPLE_SECONDS


async def test_a_worker_that_is_told_to_stop_waits_no_longer(clock: Clock) -> None:
    stopping = asyncio.Event()
    clock.while_paused = stopping.set

    assert await waited(clock, BURST_REQUESTS, 60, stopping) == SAMPLE_SECONDS


async def test_a_service_counts_the_requests_that_it_is_answering_and_no_others() -> None:
    routes = APIRouter()

    @routes.get("/active")
    async def active() -> int:
        return REQUESTS._count

    @routes.get("/broken")
    async def broken() -> int:
        raise LookupError

    async with served(application(routes)) as client:
        await client.get("/broken")
        assert (await client.get("/active")).json() == 1
    assert REQUESTS._count == 0
