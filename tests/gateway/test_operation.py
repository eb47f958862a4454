"""The gateway as a process: its log, its end, and its refusal to start."""

import asyncio
import os
import re
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import RawTestServer

from infra.local.gateway.app import Gateway
from infra.local.gateway.config import Config
from tests.fixtures import wait_for
from tests.gateway.edge import Connection, GatewayProcess, Service, call, connect, read
from tests.tokens import Issuer


def test_the_access_log_has_the_fields_of_the_aws_stage(gateway: GatewayProcess, tokens: Issuer) -> None:
    answer = call(gateway.url, "GET", "/orders/1?card=4111", token=tokens.token(subject="grace"))

    line = gateway.log_line(answer.headers["apigw-requestid"])
    assert re.fullmatch(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000", line.pop("requestTime"))
    assert 0 <= line.pop("integrationLatency") <= line.pop("responseLatency") < 5000
    assert line == {
        "requestId": answer.headers["apigw-requestid"],
        "ip": "127.0.0.1",
        "httpMethod": "GET",
        "routeKey": "GET /orders/{id}",
        "path": "/orders/1",
        "protocol": "HTTP/1.1",
        "status": 200,
        "responseLength": len(answer.body),
        "integrationErrorMessage": None,
        "authorizerError": None,
        "sub": "grace",
    }


@pytest.mark.parametrize(
    ("method", "path", "logged"),
    [
        ("GET", "/nowhere", {"status": 404, "routeKey": None, "authorizerError": None}),
        ("HEAD", "/nowhere", {"status": 404, "httpMethod": "HEAD"}),
        ("GET", "/orders", {"status": 401, "routeKey": "GET /orders", "authorizerError": "there is no token"}),
        ("GET", "/down", {"status": 503, "routeKey": "ANY /down", "integrationLatency": None}),
    ],
)
def test_a_refusal_is_logged_with_its_reason(
    gateway: GatewayProcess, method: str, path: str, logged: dict[str, object]
) -> None:
    answer = call(gateway.url, method, path)

    line = gateway.log_line(answer.headers["apigw-requestid"])
    assert {name: line[name] for name in logged} == logged
    assert line["responseLength"] == len(answer.body)
    assert bool(line["integrationErrorMessage"]) == (line["status"] == 503)


async def test_an_error_of_the_gateway_itself_is_a_500_that_does_not_say_why(config: dict[str, Any]) -> None:
    session = aiohttp.ClientSession()
    await session.close()
    gateway = Gateway(Config.model_validate(config), session, asyncio.Event())

    async with RawTestServer(gateway.handle) as server, aiohttp.ClientSession() as client:
        answer = await client.get(server.make_url("/public/x"))
        document = await answer.json()

    assert (answer.status, document["message"]) == (500, "Internal Server Error")
    assert document["request_id"] == answer.headers["apigw-requestid"]
    assert "closed" not in str(document)


def test_the_length_of_a_streamed_answer_is_logged(gateway: GatewayProcess, service: Service) -> None:
    service.answers["/public/long"] = lambda asked: asked.reply(bytes(1_000_000))

    answer = call(gateway.url, "GET", "/public/long")

    assert gateway.log_line(answer.headers["apigw-requestid"])["responseLength"] == 1_000_000


def test_no_token_query_or_body_is_ever_logged(gateway: GatewayProcess, service: Service, tokens: Issuer) -> None:
    def speak_no_http(asked: Connection) -> None:
        asked.wfile.write(b"hidden\r\n\r\n")
        asked.close_connection = True

    service.answers["/orders/nonsense"] = speak_no_http
    good, bad = tokens.token(scopes=["orders/write", "orders/read"]), tokens.foreign_token()

    call(gateway.url, "POST", "/orders?query=hidden", token=bad, body=b"hidden")
    call(gateway.url, "POST", "/orders?query=hidden", token=good, body=b"hidden")
    last = call(gateway.url, "GET", "/orders/nonsense?query=hidden", token=good)
    with socket.create_connection(gateway.address) as connection:
        connection.sendall(b"GET /caf\xe9?hidden HTTP/1.1\r\nAuthorization: hidden\r\n\r\n")
        assert connection.recv(1024).startswith(b"HTTP/1.0 400 ")

    assert gateway.log_line(last.headers["apigw-requestid"])["integrationErrorMessage"] == (
        "orders cannot be reached (ClientResponseError)"
    )
    logged = gateway.log() + gateway.errors()
    assert not [secret for secret in ("hidden", good, bad) if secret in logged]


def test_the_readiness_question_is_not_logged(gateway: GatewayProcess) -> None:
    answer = call(gateway.url, "GET", "/.gateway/ready")
    gateway.log_line(call(gateway.url, "GET", "/nowhere").headers["apigw-requestid"])

    assert answer.document == {"status": "ready"}
    assert "/.gateway/ready" not in gateway.log()


def test_what_is_in_flight_is_finished_before_the_process_ends(
    tmp_path: Path, config: dict[str, Any], service: Service
) -> None:
    gateway = GatewayProcess(tmp_path, config)
    arrived, release = hold(service, "/public/last")

    with ThreadPoolExecutor() as pool, connect(gateway.url) as sending:
        waiting = pool.submit(call, gateway.url, "GET", "/public/last")
        sending.putrequest("POST", "/public/upload")
        sending.putheader("Content-Length", "8")
        sending.endheaders(b"half")
        # Accepted later and answered: so the half is in the gateway's hands.
        assert (call(gateway.url, "GET", "/nowhere").status, arrived.wait(5)) == (404, True)
        gateway.process.terminate()
        wait_for(lambda: _refuses(gateway), 5, "the gateway takes no new connections")
        release.set()
        sending.send(b"half")
        answers = [waiting.result(5), read(sending)]

    assert [(answer.status, answer.headers["Connection"]) for answer in answers] == [(200, "close"), (200, "close")]
    assert answers[1].document["body"] == "halfhalf"
    assert (gateway.process.wait(5), gateway.errors()) == (0, "")


def test_what_takes_too_long_does_not_keep_the_process(
    tmp_path: Path, config: dict[str, Any], service: Service
) -> None:
    gateway = GatewayProcess(tmp_path, config, shutdown_seconds=0.1)
    arrived, release = hold(service, "/public/endless")

    with connect(gateway.url) as connection:
        connection.request("GET", "/public/endless")
        assert arrived.wait(5)
        status = gateway.stop()
        release.set()

    assert status == 0
    assert "stopped with 1 requests in flight" in gateway.errors()


def hold(service: Service, path: str) -> tuple[threading.Event, threading.Event]:
    """Has the service hold its answer; gives the events "it was asked" and "answer now"."""
    arrived, release = threading.Event(), threading.Event()

    def wait(asked: Connection) -> None:
        arrived.set()
        release.wait(10)
        asked.reply(b"finished")

    service.answers[path] = wait
    return arrived, release


def _refuses(gateway: GatewayProcess) -> bool:
    try:
        call(gateway.url, "GET", "/nowhere")
    except ConnectionError as error:
        return isinstance(error, ConnectionRefusedError)
    return False


def test_a_configuration_that_cannot_be_used_ends_the_process_with_one_readable_message(tmp_path: Path) -> None:
    path = tmp_path / "gateway.json"
    path.write_text("{}")

    ended = subprocess.run(
        [sys.executable, "-m", "infra.local.gateway", "--config", str(path)],
        env=os.environ | {"PORT": "1"},
        capture_output=True,
        text=True,
        timeout=20,
    )

    fields = ("issuer", "audience", "jwks_url", "routes")
    assert ended.stderr == "".join(f"{path}: {field}: Field required\n" for field in fields)
    assert (ended.returncode, ended.stdout) == (2, "")
