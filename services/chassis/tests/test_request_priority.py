"""ActiveRequests come before messages, for a bounded time and only where there is not enough CPU time for both."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager

import pytest
from chassis import request_priority
from chassis.request_priority import BURST_REQUESTS, MAX_WAIT_FACTOR, REQUESTS, ActiveRequests
from fastapi import APIRouter

from services.chassis.tests.applications import application, served

BATCH_SECONDS = 0.05


@asynccontextmanager
async def busy_loop(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Little counts as busy, as tests share the processors with each other."""
    monkeypatch.setattr(request_priority, "BUSY_CPU_SHARE", 0.01)

    loop, over = asyncio.get_running_loop(), False

    def turn() -> None:
        if not over:
            loop.call_soon(turn)

    turn()
    try:
        yield
    finally:
        over = True


@contextmanager
def answering(requests: ActiveRequests, number: int) -> Iterator[None]:
    with ExitStack() as present:
        for _ in range(number):
            present.enter_context(requests.tracked())
        yield


async def waited(requests: ActiveRequests, batch_seconds: float, stopping: asyncio.Event | None = None) -> float:
    started = time.monotonic()
    await requests.yield_to_requests(stopping or asyncio.Event(), batch_seconds)
    return time.monotonic() - started


async def test_work_waits_while_many_requests_keep_the_process_busy_and_gets_its_share(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    requests = ActiveRequests()
    async with busy_loop(monkeypatch):
        with answering(requests, BURST_REQUESTS):
            assert MAX_WAIT_FACTOR * BATCH_SECONDS <= await waited(requests, BATCH_SECONDS) < 5


async def test_no_work_waits_longer_than_the_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_priority, "MAX_WAIT_SECONDS", 0.2)
    requests = ActiveRequests()
    async with busy_loop(monkeypatch):
        with answering(requests, BURST_REQUESTS):
            assert 0.2 <= await waited(requests, batch_seconds=60) < 5


async def test_for_a_few_requests_nothing_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = ActiveRequests()
    async with busy_loop(monkeypatch):
        with answering(requests, BURST_REQUESTS):
            pass
        with answering(requests, BURST_REQUESTS - 1):
            assert await waited(requests, batch_seconds=60) < 2


async def test_where_many_requests_leave_cpu_time_work_goes_on_after_a_look() -> None:
    requests = ActiveRequests()
    with answering(requests, BURST_REQUESTS):
        assert await waited(requests, batch_seconds=60) < 3


async def test_who_is_told_to_stop_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    requests, stopping = ActiveRequests(), asyncio.Event()
    async with busy_loop(monkeypatch):
        with answering(requests, BURST_REQUESTS):
            asyncio.get_running_loop().call_later(0.05, stopping.set)
            assert await waited(requests, 60, stopping) < 3


async def test_a_service_counts_the_requests_that_it_is_answering_and_no_others() -> None:
    routes = APIRouter()

    @routes.get("/present")
    async def present() -> int:
        return REQUESTS._count

    @routes.get("/broken")
    async def broken() -> int:
        raise LookupError

    async with served(application(routes)) as client:
        await client.get("/broken")
        assert (await client.get("/present")).json() == 1
    assert REQUESTS._count == 0
