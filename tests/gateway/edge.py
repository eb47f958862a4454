"""What the tests talk to: an edge by its URL, the gateway as a real process, and a service behind it."""

import http.client
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from infra.local.gateway.config import READY_PATH
from tests.fixtures import free_port, wait_for


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@contextmanager
def connect(url: str) -> Iterator[http.client.HTTPConnection]:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=10)
    try:
        yield connection
    finally:
        connection.close()


def call(
    url: str,
    method: str,
    target: str,
    *,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Answer:
    """One request on a connection of its own. The target is sent as it is: http.client encodes nothing."""
    authorization = {} if token is None else {"Authorization": f"Bearer {token}"}
    with connect(url) as connection:
        connection.request(method, target, body, authorization | dict(headers or {}))
        return read(connection)


def read(connection: http.client.HTTPConnection) -> Answer:
    response = connection.getresponse()
    return Answer(response.status, response.headers, response.read())


@dataclass(frozen=True)
class Received:
    """A request as the service got it."""

    method: str
    target: str
    headers: http.client.HTTPMessage
    body: bytes


class Connection(BaseHTTPRequestHandler):
    """A connection to the service, while a request waits for its answer."""

    protocol_version = "HTTP/1.1"
    server: "Service"

    def respond(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        received = Received(self.command, self.path, cast(http.client.HTTPMessage, self.headers), body)
        self.server.received.append(received)
        if own := self.server.answers.get(self.path.partition("?")[0]):
            own(self)
        else:
            self.reply(json.dumps({"target": received.target, "body": body.decode("latin-1")}).encode())

    do_DELETE = do_GET = do_HEAD = do_PATCH = do_POST = do_PUT = respond

    def reply(self, body: bytes = b"", status: int = 200, headers: Sequence[tuple[str, str]] = ()) -> None:
        self.send_response(status)
        for name, value in (*headers, ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


class Service(ThreadingHTTPServer):
    """A service on a port of its own. It answers with what it was asked, or as `answers` says for a path."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Connection)
        self.answers: dict[str, Callable[[Connection], None]] = {}
        self.received: list[Received] = []
        self._connections: list[Any] = []
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.append(request)
        super().process_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def stop(self) -> None:
        """Ends as a killed process does: every connection is closed."""
        self.shutdown()
        self.server_close()
        for connection in self._connections:
            self.shutdown_request(connection)
        self._thread.join(timeout=5)


class GatewayProcess:
    """`python -m infra.local.gateway` with this configuration, from the moment it is ready."""

    def __init__(self, folder: Path, config: Mapping[str, Any], shutdown_seconds: float = 5) -> None:
        self.address = ("127.0.0.1", free_port())
        self.url = "http://{}:{}".format(*self.address)
        self._log, self._errors, path = (folder / name for name in ("access.log", "errors.log", "gateway.json"))
        path.write_text(json.dumps(config))
        with self._log.open("wb") as log, self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "infra.local.gateway", "--config", str(path)],
                env=os.environ | {"PORT": str(self.address[1]), "SHUTDOWN_SECONDS": str(shutdown_seconds)},
                stdout=log,
                stderr=errors,
            )
        try:
            wait_for(self._is_ready, 60, "the gateway is ready")
        except BaseException:
            self.process.kill()
            raise

    def log_line(self, request_id: str | None) -> dict[str, Any]:
        """The access log's line of a request; it is written just after the answer."""

        def lines() -> list[str]:
            """A line that is still being written is none yet."""
            return [
                line for line in self.log().splitlines(keepends=True) if str(request_id) in line and line[-1] == "\n"
            ]

        wait_for(lambda: bool(lines()), 60, f"{request_id} is in the access log")
        (line,) = lines()
        return dict(json.loads(line))

    def log(self) -> str:
        return self._log.read_text()

    def errors(self) -> str:
        return self._errors.read_text()

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(timeout=60)

    def _is_ready(self) -> bool:
        try:
            return call(self.url, "GET", READY_PATH).status == 200
        except OSError:
            return False


def route(method: str, path: str, url: str, **given: Any) -> dict[str, Any]:
    """A route of the configuration, with a throttle that no test reaches."""
    throttle = {"rate_per_second": 1000, "burst": 1000}
    return {"method": method, "path": path, "service": "orders", "url": url, "throttle": throttle} | given
