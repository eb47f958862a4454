import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
import pytest
import structlog
from chassis import grpc as under_test
from chassis.client import CalleeUnavailableError
from chassis.grpc import GrpcClient, GrpcRefusedError
from google.protobuf.wrappers_pb2 import StringValue
from opentelemetry import trace
from prometheus_client import REGISTRY

from tests.fixtures import eventually

METHOD = "/shop.test.v1.Echo/Say"
HANG, GARBAGE, TOO_MUCH = "hang", "garbage", "too much"
Step = grpc.StatusCode | str


class Callee:
    """A real gRPC server that does what `script` says, then answers with what it was sent.

    A status refuses; HANG never answers; GARBAGE answers what is no message; TOO_MUCH answers more than is allowed.
    """

    def __init__(self) -> None:
        self.script: list[Step] = []
        self.calls: list[dict[str, Any]] = []
        self.deadlines: list[float] = []
        self.port = 0
        self._server: grpc.aio.Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """On a port of its own, the same each time."""
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(self._answer)
        self._server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler("shop.test.v1.Echo", {"Say": handler})]
        )
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self._server.start()

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop(None)
            self._server = None

    async def _answer(self, body: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        self.calls.append(dict(context.invocation_metadata() or ()))
        self.deadlines.append(context.time_remaining())
        match self.script.pop(0) if self.script else "echo":
            case grpc.StatusCode() as code:
                await context.abort(code, "because")
            case "hang":
                await asyncio.Event().wait()
            case "garbage":
                return b"\xff"
            case "too much":
                return StringValue(value="x" * under_test.MAX_MESSAGE_BYTES).SerializeToString()
        return body


@pytest.fixture
async def callee() -> AsyncIterator[Callee]:
    callee = Callee()
    await callee.start()
    yield callee
    await callee.stop()


@asynccontextmanager
async def calling(url: str, **options: Any) -> AsyncIterator[GrpcClient]:
    """Patient, unless the test is about that."""
    client = GrpcClient("pricing", url, **({"timeout_seconds": 30} | options))
    try:
        yield client
    finally:
        await client.close()


async def say(client: GrpcClient, text: str = "hello") -> str:
    return (await client.call(METHOD, StringValue(value=text), StringValue)).value


async def answers(client: GrpcClient) -> bool:
    try:
        return await say(client) == "hello"
    except CalleeUnavailableError:
        return False


def circuit() -> float | None:
    return REGISTRY.get_sample_value("circuit_breaker_state", {"callee": "pricing"})


async def test_an_answer_is_given_back(callee: Callee) -> None:
    async with calling(callee.url) as client:
        assert await say(client, "tea") == "tea"

    assert circuit() == 0


@pytest.mark.parametrize("code", [grpc.StatusCode[name] for name in sorted(under_test.REFUSALS)])
async def test_a_refusal_is_an_answer_and_not_repeated(callee: Callee, code: grpc.StatusCode) -> None:
    callee.script = [code]
    async with calling(callee.url, failures_to_open=1) as client:
        with pytest.raises(GrpcRefusedError) as refused:
            await say(client)

        assert (refused.value.code, refused.value.message) == (code.name, "because")
        assert await say(client) == "hello"  # the circuit is closed

    assert len(callee.calls) == 2


async def test_a_passing_failure_is_tried_again(callee: Callee) -> None:
    callee.script = [grpc.StatusCode.UNAVAILABLE]
    async with calling(callee.url) as client:
        assert await say(client) == "hello"

    assert len(callee.calls) == 2


async def test_attempts_are_bounded(callee: Callee) -> None:
    callee.script = [grpc.StatusCode.UNAVAILABLE] * 10
    async with calling(callee.url, attempts=3) as client:
        with pytest.raises(CalleeUnavailableError, match="pricing does not answer"):
            await say(client)

    assert len(callee.calls) == 3


@pytest.mark.parametrize(
    "step",
    [
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.UNKNOWN,
        GARBAGE,
        TOO_MUCH,
    ],
)
async def test_no_usable_answer_is_a_failure_and_not_tried_again(callee: Callee, step: Step) -> None:
    callee.script = [step]
    async with calling(callee.url, failures_to_open=1) as client:
        with pytest.raises(CalleeUnavailableError):
            await say(client)

    assert len(callee.calls) == 1
    assert circuit() == 2


async def test_a_request_that_is_too_big_is_not_sent(callee: Callee) -> None:
    async with calling(callee.url) as client:
        with pytest.raises(CalleeUnavailableError):
            await say(client, "x" * under_test.MAX_MESSAGE_BYTES)

    assert callee.calls == []


async def test_an_answer_that_is_late_is_none_and_not_waited_for_again(callee: Callee) -> None:
    callee.script = [HANG]
    async with calling(callee.url, timeout_seconds=0.1) as client:
        with pytest.raises(CalleeUnavailableError):
            await say(client)

    assert len(callee.calls) == 1
    assert 0 < callee.deadlines[0] < 0.2  # the callee knows, too


async def test_a_callee_that_takes_connections_and_says_nothing_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the kernel takes them
        async with calling(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_seconds=0.1) as client:
            with pytest.raises(CalleeUnavailableError):
                await say(client)


async def test_a_refused_connection_is_tried_again(unused_tcp_port: int) -> None:
    async with calling(f"http://127.0.0.1:{unused_tcp_port}", attempts=3, failures_to_open=3) as client:
        with pytest.raises(CalleeUnavailableError):
            await say(client)

    assert circuit() == 2  # three attempts have failed


async def test_a_callee_that_starts_again_is_found_again(callee: Callee) -> None:
    async with calling(callee.url, failures_to_open=1000) as client:
        assert await answers(client)
        await callee.stop()
        assert not await answers(client)
        await callee.start()

        await eventually(lambda: answers(client))


@pytest.mark.slow
async def test_a_callee_that_is_away_for_long_is_looked_for_about_each_second() -> None:
    """gRPC waits longer before each attempt to connect. Its own defaults would take 43 seconds for nine of them."""
    attempts = 0

    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal attempts
        attempts += 1
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, calling(url, attempts=1, failures_to_open=1000) as client, asyncio.timeout(30):
        while attempts < 9:
            assert not await answers(client)
            await asyncio.sleep(0.02)


async def test_after_failures_in_a_row_nobody_is_asked_until_the_circuit_closes_again(callee: Callee) -> None:
    async with calling(callee.url, attempts=1, failures_to_open=2, open_seconds=0.2) as client:
        bad = grpc.StatusCode.UNAVAILABLE
        callee.script = [bad, "echo", bad, bad]
        assert [await answers(client) for _ in range(4)] == [False, True, False, False]
        assert circuit() == 2

        assert not await answers(client)
        assert len(callee.calls) == 4  # not asked

        await eventually(lambda: answers(client))
        assert len(callee.calls) == 5
        assert circuit() == 0


async def test_a_caller_who_gives_up_is_no_failure_of_the_other(callee: Callee) -> None:
    async with calling(callee.url, failures_to_open=1, timeout_seconds=5) as client:
        callee.script = [HANG]
        call = asyncio.create_task(say(client))

        async def called() -> bool:
            return bool(callee.calls)

        await eventually(called)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

        assert circuit() == 0
        assert await say(client) == "hello"


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
            await say(client)

    [metadata] = callee.calls
    assert metadata["traceparent"].split("-")[1] == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert metadata["x-request-id"] == "here-1"


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://pricing", "pricing:80"),
        ("http://pricing.shop.svc:8080/", "pricing.shop.svc:8080"),
        ("http://[::1]:8080", "[::1]:8080"),
    ],
)
def test_the_callee_is_at_the_host_and_port_of_its_url(url: str, target: str) -> None:
    assert under_test._target(url) == target


@pytest.mark.parametrize("url", ["https://pricing", "pricing:8080", "http://", "http:///Quote"])
def test_another_kind_of_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="a gRPC callee is at http://host:port, not at"):
        GrpcClient("pricing", url)


def test_only_who_calls_by_grpc_pays_for_it_and_its_core_writes_nothing(unused_tcp_port: int) -> None:
    program = f"""
import asyncio, sys
from chassis.client import CalleeUnavailableError
from chassis.grpc import GrpcClient
from google.protobuf.wrappers_pb2 import StringValue
assert "grpc" not in sys.modules
client = GrpcClient("pricing", "http://127.0.0.1:{unused_tcp_port}")  # made before the loop runs
assert "grpc" in sys.modules
async def main():
    try:
        await client.call("{METHOD}", StringValue(), StringValue)
    except CalleeUnavailableError:
        print("unavailable")
    await client.close()
asyncio.run(main())
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GRPC_")}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=30)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "unavailable"
