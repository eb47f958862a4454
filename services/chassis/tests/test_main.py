"""The service as its platform sees it: a process with an environment, signals, a port and an output."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from chassis.main import run

from services.chassis.tests.tiny_service import TinySettings, greet, service

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

COMMAND = [sys.executable, "-W", "error", "-m", "services.chassis.tests.tiny_service"]
# Of this process's environment only what Python needs to find the code.
BARE = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "VIRTUAL_ENV") if name in os.environ}
ENVIRONMENT = BARE | {
    "SERVICE_NAME": "tiny",
    "SERVICE_VERSION": "1",
    "ENVIRONMENT": "local",
    "TOKEN_ISSUER": "http://127.0.0.1:9/pool",
    "TOKEN_AUDIENCE": "web",
}
DEADLINE_SECONDS = 45
"""For what takes a second or two where nothing else runs."""
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


class Finished(NamedTuple):
    status: object
    output: str
    errors: str


class Running:
    def __init__(self, process: Process, url: str) -> None:
        self.process = process
        self.url = url
        self.lines: list[dict[str, Any]] = []

    async def seen(self, event: str) -> None:
        """Returns once the process has written a line of this event."""
        assert self.process.stdout is not None
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                line = await self.process.stdout.readline()
                assert line, f"the process ended before {event}: {self.lines}"
                self.lines.append(json.loads(line))
                if self.lines[-1]["event"] == event:
                    return

    async def ended(self) -> int:
        """The exit status; the rest of the output is in `lines`."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            output, errors = await self.process.communicate()
        self.lines += [json.loads(line) for line in output.splitlines()]
        assert errors == b""
        assert self.process.returncode is not None
        return self.process.returncode

    def events(self, *wanted: str) -> list[str]:
        return [line["event"] for line in self.lines if line["event"] in wanted]


@asynccontextmanager
async def running(port: int, **environment: str) -> AsyncIterator[Running]:
    process = await asyncio.create_subprocess_exec(
        *COMMAND, env=ENVIRONMENT | {"PORT": str(port)} | environment, stdout=PIPE, stderr=PIPE
    )
    tiny = Running(process, f"http://127.0.0.1:{port}")
    try:
        await tiny.seen("Application startup complete.")
        await tiny.seen(f"Uvicorn running on {tiny.url} (Press CTRL+C to quit)")
        yield tiny
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Finished]:
    """Runs a command that serves nothing in this process, with this environment and no other."""

    def run_command(*arguments: str, environment: dict[str, str]) -> Finished:
        monkeypatch.setattr(sys, "argv", ["tiny", *arguments])
        for name in TinySettings.model_fields:
            monkeypatch.delenv(name.upper(), raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        try:
            run(service, TinySettings, commands={"greet": greet})
            status: object = 0
        except SystemExit as end:
            status = end.code
        return Finished(status, *capsys.readouterr())

    return run_command


def test_the_interface_is_printed_without_any_environment(command: Callable[..., Finished]) -> None:
    result = command("openapi", environment={"PORT": "none"})

    assert (result.status, result.errors) == (0, "")
    document = json.loads(result.output)
    assert document["info"] == {"title": "Tiny", "summary": "A test's.", "version": "1"}
    assert sorted(document["paths"]) == ["/me", "/size", "/slow", "/stuck"]


@pytest.mark.parametrize("name", ["serve", "migrate", "greet"])
def test_a_bad_environment_ends_every_command_with_one_message(command: Callable[..., Finished], name: str) -> None:
    result = command(name, environment=ENVIRONMENT | {"PORT": "none", "LOG_LEVEL": "LOUD"})

    assert (result.status, result.output) == (2, "")
    assert result.errors.splitlines() == [
        "The environment of this process is not right:",
        "PORT: Input should be a valid integer, unable to parse string as an integer",
        "LOG_LEVEL: Input should be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'",
    ]


def test_a_service_without_migrations_says_so(command: Callable[..., Finished]) -> None:
    assert command("migrate", environment=ENVIRONMENT).status == "tiny has no migrations."


def test_a_service_may_have_commands_of_its_own(command: Callable[..., Finished]) -> None:
    assert command("greet", environment=ENVIRONMENT) == (0, "I am tiny.\n", "")


def test_another_command_is_refused_with_the_ones_there_are(command: Callable[..., Finished]) -> None:
    result = command("dance", environment=ENVIRONMENT)

    assert result.status == 2
    assert "serve" in result.errors
    assert "migrate" in result.errors
    assert "openapi" in result.errors
    assert "greet" in result.errors


def test_what_only_the_code_knows_to_be_missing_is_said_without_a_traceback() -> None:
    environment = {name: value for name, value in ENVIRONMENT.items() if not name.startswith("TOKEN_")}
    result = subprocess.run(COMMAND, env=environment, capture_output=True, text=True, timeout=30)

    assert result.returncode == 2
    assert result.stderr.splitlines() == [
        "The environment of this process is not right:",
        "TOKEN_ISSUER: these routes need tokens: /me",
    ]


async def test_told_to_stop_a_service_finishes_its_requests_then_its_workers(unused_tcp_port: int) -> None:
    async with running(unused_tcp_port) as tiny, httpx.AsyncClient(base_url=tiny.url) as client:
        slow = asyncio.create_task(client.get("/slow"))
        await tiny.seen("slow_began")
        tiny.process.send_signal(signal.SIGTERM)
        await tiny.seen("Shutting down")

        async with httpx.AsyncClient(base_url=tiny.url) as other:
            with pytest.raises(httpx.TransportError):  # refused; reset, if it came in the moment of closing
                await other.get("/livez")
        answer = await slow

        assert (answer.status_code, answer.json()) == (200, "done")
        assert await tiny.ended() == 0

    order = ["slow_began", "Shutting down", "request_handled", "worker_finished", "service_stopped"]
    assert tiny.events(*order) == order


async def test_neither_a_stuck_request_nor_a_missing_collector_can_hold_up_the_shutdown(
    unused_tcp_port_factory: Callable[[], int],
) -> None:
    port, nobody = unused_tcp_port_factory(), unused_tcp_port_factory()
    collector = f"http://127.0.0.1:{nobody}"
    async with (
        running(port, SHUTDOWN_SECONDS="1", OTEL_EXPORTER_OTLP_ENDPOINT=collector) as tiny,
        httpx.AsyncClient(base_url=tiny.url, timeout=20) as client,
    ):
        stuck = asyncio.create_task(client.get("/stuck"))
        await tiny.seen("stuck_began")
        tiny.process.terminate()

        async with asyncio.timeout(30):  # 1 for the request, 2 for the spans; either alone could take a minute
            answer = await stuck
            assert await tiny.ended() == 0

    assert (answer.status_code, answer.json()["detail"]) == (503, "The service is stopping.")
    assert tiny.events("worker_finished", "service_stopped") == ["worker_finished", "service_stopped"]


async def test_a_worker_that_dies_takes_the_process_along_in_order_to_be_started_again(unused_tcp_port: int) -> None:
    async with running(unused_tcp_port, MORTAL="true") as tiny, httpx.AsyncClient(base_url=tiny.url) as client:
        answer = await client.get("/slow")

        assert (answer.status_code, answer.json()) == (200, "done")
        assert await tiny.ended() == 1

    order = ["worker_died", "Shutting down", "request_handled", "service_stopped"]
    assert tiny.events(*order) == order


async def test_requests_and_workers_share_one_time_to_finish(unused_tcp_port: int) -> None:
    async with (
        running(unused_tcp_port, SHUTDOWN_SECONDS="1.2", STUBBORN="true") as tiny,
        httpx.AsyncClient(base_url=tiny.url) as client,
    ):
        slow = asyncio.create_task(client.get("/slow"))
        await tiny.seen("slow_began")
        tiny.process.send_signal(signal.SIGINT)

        assert (await slow).json() == "done"
        assert await tiny.ended() == 0

    (cancelled,) = [line for line in tiny.lines if line["event"] == "worker_cancelled"]
    assert 0.5 <= cancelled["timeout_seconds"] < 1


async def test_a_request_leaves_one_line_with_the_ids_it_came_with(unused_tcp_port: int) -> None:
    async with running(unused_tcp_port) as tiny, httpx.AsyncClient(base_url=tiny.url) as client:
        for path in ("/livez", "/readyz", "/metrics", "/openapi.json"):
            assert (await client.get(path)).status_code == 200
        await client.get(
            "/me?token=hunter2",
            headers={
                "X-Request-Id": "here-1",
                "traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01",
                "Authorization": "Bearer hunter2",
            },
        )
        await tiny.seen("request_handled")

    (line,) = [line for line in tiny.lines if line["event"] == "request_handled"]
    assert (line["method"], line["route"], line["path"], line["status"]) == ("GET", "/me", "/me", 401)
    assert (line["request_id"], line["trace_id"]) == ("here-1", TRACE_ID)
    assert line["span_id"] != "00f067aa0ba902b7"
    assert line["duration_seconds"] > 0
    assert "hunter2" not in json.dumps(tiny.lines)


async def test_a_body_of_ten_megabytes_is_refused_and_the_connection_stays_good(unused_tcp_port: int) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(160):
            yield b" " * 65536

    async with running(unused_tcp_port) as tiny:
        bodies: list[Callable[[], Any]] = [lambda: b" " * 10_485_760, chunks]
        async with httpx.AsyncClient(base_url=tiny.url, limits=httpx.Limits(max_connections=1)) as client:
            for body in bodies:
                answer = await client.post("/size", content=body())
                assert (answer.status_code, answer.json()["title"]) == (413, "Content Too Large")
            assert (await client.post("/size", content=b"ten bytes!")).json() == 10


HEAD = b"GET /livez HTTP/1.1\r\nHost: tiny\r\n"
CHUNKED = b"POST /size HTTP/1.1\r\nHost: tiny\r\nTransfer-Encoding: chunked\r\n\r\n"
MEGABYTES = b"x" * 5_000_000
TOO_LARGE = {
    "a header that ends": HEAD + b"X: " + MEGABYTES[:40_000] + b"\r\n\r\n",
    "a header of megabytes": HEAD + b"X: " + MEGABYTES + b"\r\n\r\n",
    "a header without an end": HEAD + b"X: " + MEGABYTES,
    "a name without an end": HEAD + MEGABYTES,
    "many headers": HEAD + b"X: y\r\n" * 100_000 + b"\r\n",
    "a target without an end": b"GET /" + MEGABYTES,
    "after a good request": HEAD + b"\r\n" + HEAD + b"X: " + MEGABYTES,
}


REFUSAL = b'"detail": "The headers may have at most 16384 bytes."}'


async def told(url: str, request: bytes) -> bytes:
    """Sends these bytes and reads until the server has refused them or hangs up."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    answer = b""
    try:
        writer.write(request)
        async with asyncio.timeout(20):
            while not answer.endswith(REFUSAL) and (more := await reader.read(65536)):
                answer += more
    finally:
        writer.transport.abort()
    return answer


async def test_headers_have_a_bound_and_who_exceeds_it_is_told(unused_tcp_port: int) -> None:
    async with running(unused_tcp_port) as tiny, httpx.AsyncClient(base_url=tiny.url) as client:
        for kind, request in TOO_LARGE.items():
            answer = await told(tiny.url, request)
            *_, head, body = answer.rpartition(b"HTTP/1.1 ")[2].split(b"\r\n\r\n")
            assert head.startswith(b"431 Request Header Fields Too Large\r\n"), (kind, answer)
            assert b"application/problem+json" in head, kind
            assert json.loads(body)["status"] == 431, kind
        for header_bytes, status in ((15_000, 200), (17_000, 431)):
            answered = await client.get("/livez", headers={"X": "x" * header_bytes})
            assert answered.status_code == status


@pytest.mark.parametrize("beginning", [b"1;", b"1\r\nx\r\n0\r\nX: "], ids=["the extension of a chunk", "a trailer"])
async def test_what_follows_the_headers_has_the_same_bound(unused_tcp_port: int, beginning: bytes) -> None:
    async with running(unused_tcp_port) as tiny:
        with suppress(ConnectionError):
            assert await told(tiny.url, CHUNKED + beginning + MEGABYTES) == b""
        async with httpx.AsyncClient(base_url=tiny.url) as client:
            assert (await client.post("/size", content=b"ten bytes!")).json() == 10


async def test_spans_are_exported_and_the_last_ones_at_the_end(unused_tcp_port: int) -> None:
    exported: list[bytes] = []

    async def collect(request: web.Request) -> web.Response:
        assert request.path == "/v1/traces"
        exported.append(await request.read())
        return web.Response()

    app = web.Application()
    app.router.add_post("/{path:.*}", collect)
    async with (
        TestServer(app) as collector,
        running(
            unused_tcp_port,
            OTEL_EXPORTER_OTLP_ENDPOINT=str(collector.make_url("")).rstrip("/"),
            OTEL_EXPORTER_OTLP_COMPRESSION="none",
        ) as tiny,
    ):
        async with httpx.AsyncClient(base_url=tiny.url) as client:
            await client.get("/me", headers={"traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01"})
            await client.get("/livez")
        tiny.process.terminate()
        assert await tiny.ended() == 0

    (sent,) = exported
    assert bytes.fromhex(TRACE_ID) in sent
    assert b"GET /me" in sent
    assert b"/livez" not in sent
    for name, value in (("service.name", "tiny"), ("service.version", "1"), ("deployment.environment.name", "local")):
        assert name.encode() in sent
        assert value.encode() in sent
