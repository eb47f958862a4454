import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestServer
from chassis.client import CalleeUnavailableError, ServiceClient
from fastapi import APIRouter
from opentelemetry import trace
from prometheus_client import REGISTRY

from services.chassis.tests.applications import application, served
from tests.fixtures import eventually

HANG_UP, DRIP, GARBLED = "hang up", "drip", "garbled"


class Callee:
    """A real HTTP server that does what `script` says, then answers 200.

    A number is the status of an answer; HANG_UP closes the connection; DRIP sends a byte now and then and never ends;
    GARBLED says that it is compressed, and is not.
    """

    def __init__(self) -> None:
        self.script: list[int | str] = []
        self.requests: list[web.Request] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        match self.script.pop(0) if self.script else 200:
            case int(status):
                return web.json_response({"path": request.path_qs}, status=status)
            case "hang up":
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
            case "garbled":
                return web.Response(body=b"plain", headers={"Content-Encoding": "gzip"})
            case _:
                return await self._drip(request)

    async def _drip(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.02)


@pytest.fixture
async def callee() -> AsyncIterator[Callee]:
    callee = Callee()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", callee.answer)
    async with TestServer(app, handler_cancellation=True, shutdown_timeout=0) as server:
        callee.url = str(server.make_url("/"))
        yield callee


@asynccontextmanager
async def calling(url: str, **options: Any) -> AsyncIterator[ServiceClient]:
    """Patient, unless the test is about that."""
    client = ServiceClient("pricing", url, **({"timeout_seconds": 30} | options))
    try:
        yield client
    finally:
        await client.close()


def circuit() -> float | None:
    return REGISTRY.get_sample_value("circuit_breaker_state", {"callee": "pricing"})


async def test_an_answer_that_cannot_be_unpacked_is_none(callee: Callee) -> None:
    callee.script = [GARBLED]

    async with calling(callee.url) as client:
        with pytest.raises(CalleeUnavailableError):
            await client.request("GET", "/")


async def test_an_answer_is_given_back(callee: Callee) -> None:
    async with calling(callee.url) as client:
        answer = await client.request("GET", "/prices", params={"sku": "apple"})

    assert (answer.status_code, answer.json()) == (200, {"path": "/prices?sku=apple"})


@pytest.mark.parametrize("status", [404, 409, 422, 429])
async def test_a_refusal_is_an_answer_and_not_repeated(callee: Callee, status: int) -> None:
    callee.script = [status]
    async with calling(callee.url) as client:
        assert (await client.request("GET", "/prices")).status_code == status

    assert len(callee.requests) == 1


@pytest.mark.parametrize("status", [502, 503, 504])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
async def test_a_passing_failure_is_tried_again(callee: Callee, method: str, status: int) -> None:
    callee.script = [status]
    async with calling(callee.url) as client:
        assert (await client.request(method, "/prices")).status_code == 200

    assert len(callee.requests) == 2


async def test_attempts_are_bounded(callee: Callee) -> None:
    callee.script = [503] * 10
    async with calling(callee.url, attempts=3) as client:
        with pytest.raises(CalleeUnavailableError, match="pricing does not answer"):
            await client.request("GET", "/prices")

    assert len(callee.requests) == 3


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_what_may_not_be_done_twice_is_never_tried_again(callee: Callee, method: str) -> None:
    callee.script = [503]
    async with calling(callee.url) as client:
        with pytest.raises(CalleeUnavailableError):
            await client.request(method, "/prices", json={})

    assert len(callee.requests) == 1


async def test_a_bug_of_the_other_is_not_tried_again(callee: Callee) -> None:
    callee.script = [500]
    async with calling(callee.url) as client:
        with pytest.raises(CalleeUnavailableError):
            await client.request("GET", "/prices")

    assert len(callee.requests) == 1


async def test_an_answer_that_is_not_complete_in_time_is_none_and_not_waited_for_again(callee: Callee) -> None:
    callee.script = [DRIP]
    async with calling(callee.url, timeout_seconds=0.1) as client:
        with pytest.raises(CalleeUnavailableError):
            await client.request("GET", "/prices")

    assert len(callee.requests) == 1


@pytest.mark.parametrize(("method", "status", "requests"), [("GET", 200, 2), ("POST", 503, 1)])
async def test_a_lost_connection_is_made_again_when_that_is_safe(
    callee: Callee, method: str, status: int, requests: int
) -> None:
    callee.script = [HANG_UP]
    async with calling(callee.url) as client:
        assert await status_of(client, method) == status

    assert len(callee.requests) == requests


async def test_a_refused_connection_is_tried_again(callee: Callee, unused_tcp_port_factory: Callable[[], int]) -> None:
    nobody = f"http://127.0.0.1:{unused_tcp_port_factory()}"
    async with calling(nobody, attempts=3, failures_to_open=3) as client:
        with pytest.raises(CalleeUnavailableError):
            await client.request("GET", "/prices")

    assert circuit() == 2  # three attempts have failed


async def test_after_failures_in_a_row_nobody_is_asked_until_the_circuit_closes_again(callee: Callee) -> None:
    async with calling(callee.url, attempts=1, failures_to_open=2, open_seconds=0.2) as client:
        callee.script = [503, 200, 503, 503]
        statuses = [await status_of(client) for _ in range(4)]
        assert statuses == [503, 200, 503, 503]
        assert circuit() == 2

        assert await status_of(client) == 503
        assert len(callee.requests) == 4  # not asked

        async def closed() -> bool:
            return await status_of(client) == 200

        await eventually(closed)
        assert len(callee.requests) == 5
        assert circuit() == 0


async def test_a_caller_who_gives_up_is_no_failure_of_the_other(callee: Callee) -> None:
    async with calling(callee.url, failures_to_open=1) as client:
        callee.script = [DRIP]
        call = asyncio.create_task(client.request("GET", "/prices"))

        async def called() -> bool:
            return bool(callee.requests)

        await eventually(called)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

        assert circuit() == 0
        assert await status_of(client) == 200


async def status_of(client: ServiceClient, method: str = "GET") -> int:
    try:
        return (await client.request(method, "/prices")).status_code
    except CalleeUnavailableError as error:
        return error.status


async def test_trace_and_request_id_go_along(callee: Callee) -> None:
    context = trace.SpanContext(
        trace_id=0x4BF92F3577B34DA6A3CE929D0E0E4736,
        span_id=0x00F067AA0BA902B7,
        is_remote=True,
        trace_flags=trace.TraceFlags(1),
    )
    async with calling(callee.url) as client:
        with (
            trace.use_span(trace.NonRecordingSpan(context)),
            structlog.contextvars.bound_contextvars(request_id="here-1"),
        ):
            await client.request("GET", "/prices", headers={"Accept-Language": "de"})

    headers = callee.requests[0].headers
    assert headers["traceparent"].split("-")[1] == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert headers["x-request-id"] == "here-1"
    assert headers["accept-language"] == "de"


async def test_a_caller_of_a_service_that_lost_its_callee_is_answered_503(unused_tcp_port: int) -> None:
    client = ServiceClient("pricing", f"http://127.0.0.1:{unused_tcp_port}", attempts=1)
    router = APIRouter()

    @router.get("/total")
    async def total() -> None:
        await client.request("GET", "/prices")

    async with served(application(router, clients=[client])) as caller:
        answer = await caller.get("/total")

    assert answer.status_code == 503
    assert answer.json()["detail"] == "pricing does not answer."
    with pytest.raises(RuntimeError, match="closed"):
        await client.request("GET", "/prices")
