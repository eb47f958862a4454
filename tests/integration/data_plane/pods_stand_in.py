"""What stands for pods in the tests of the data plane: HTTP servers at addresses of pods, which say what they heard."""

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

PORT = 8080
FIRST, SECOND = "10.244.0.11", "10.244.0.12"
GONE = "10.244.0.250"
SLOW_SECONDS = 3
SLOW = "/orders/slow"
REMEMBERED = {
    "Location": "/orders/1",
    "ETag": '"7"',
    "Cache-Control": "no-store",
    "Idempotency-Replayed": "true",
    "Content-Type": "application/problem+json",
}
"""Headers of every answer."""


@dataclass
class Pod:
    address: str
    heard: list[dict[str, Any]] = field(default_factory=list)
    """method, target as it was sent, headers (names in small letters), body."""
    connections: set[Any] = field(default_factory=set)


@contextmanager
def pods(*addresses: str) -> Iterator[dict[str, Pod]]:
    """In the network of the calling thread. At GONE nobody listens."""
    made = {each: Pod(each) for each in addresses}
    with ExitStack() as servers:
        for address in (*addresses, GONE):
            subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)
        for pod in made.values():
            servers.enter_context(_serving(pod))
        yield made


@contextmanager
def _serving(pod: Pod) -> Iterator[None]:
    handler = type("Handler", (_Handler,), {"pod": pod})
    server = _Server((pod.address, PORT), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """Without asking a name server, which is not there, for its name: that takes ten seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), PORT


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    pod: Pod

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.pod.heard.append({"method": self.command, "target": self.path, "headers": headers, "body": body})
        self.pod.connections.add(self.client_address)
        if self.path == SLOW:
            time.sleep(SLOW_SECONDS)
        said = json.dumps({"pod": self.pod.address}).encode()
        self.send_response(201 if self.command == "POST" else 200)
        for name, value in REMEMBERED.items():
            self.send_header(name, value)
        for cookie in ("a=1", "b=2"):
            self.send_header("Set-Cookie", cookie)
        self.send_header("X-Request-Id", self.headers["X-Request-Id"])
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Says nothing."""
