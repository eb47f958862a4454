"""ECR as its clients see it, at its own name: every request for a manifest needs the login of Docker.

Nobody's names are changed for it: it is a proxy, which a client takes from HTTPS_PROXY, and answers itself what is
asked of the registry through it. A name that is not the registry's gets no connection.
"""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.authority import SERVER_CERTIFICATE, SERVER_KEY, Authority


@dataclass(frozen=True)
class PrivateRegistry:
    name: str
    """The host of the registry."""
    authorization: str
    """The one header `Authorization` that it takes."""
    digests: dict[str, str] = field(default_factory=dict)
    """`<repository>:<tag>` -> the digest of the image."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """What was asked for, `<repository>:<tag>`, and the header `Authorization` of it, "" for none."""

    @contextmanager
    def served(self, authority: Authority) -> Iterator[str]:
        """The address of the proxy, for the time of the context."""
        server = _Server(self, _context(authority, self.name))
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def answer(self, path: str, authorization: str) -> tuple[HTTPStatus, dict[str, str]]:
        """Status and headers, as ECR's (the guide of its registry authentication: HTTP API authentication)."""
        repository, _, tag = path.removeprefix("/v2/").partition("/manifests/")
        image = f"{repository}:{tag}"
        self.asked.append((image, authorization))
        if authorization != self.authorization:
            challenge = f'Basic realm="https://{self.name}/",service="ecr.amazonaws.com"'
            return HTTPStatus.UNAUTHORIZED, {"WWW-Authenticate": challenge}
        if image not in self.digests:
            return HTTPStatus.NOT_FOUND, {}
        return HTTPStatus.OK, {"Docker-Content-Digest": self.digests[image]}


def _context(authority: Authority, name: str) -> ssl.SSLContext:
    certificate, key = authority.issue(name)
    for file, content in ((SERVER_CERTIFICATE, certificate), (SERVER_KEY, key)):
        (authority.folder / file).touch(mode=0o600)
        (authority.folder / file).write_text(content)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(authority.folder / SERVER_CERTIFICATE, authority.folder / SERVER_KEY)
    return context


class _Server(ThreadingHTTPServer):
    def __init__(self, registry: PrivateRegistry, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.registry, self.context = registry, context


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_CONNECT(self) -> None:
        if self.path != f"{self.server.registry.name}:443":
            self.send_error(HTTPStatus.BAD_GATEWAY)
            return
        self.send_response(HTTPStatus.OK)
        self.end_headers()
        # What follows on this connection is for the registry.
        self.connection = self.server.context.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
        self.close_connection = False

    def do_HEAD(self) -> None:
        status, headers = self.server.registry.answer(self.path, self.headers.get("Authorization", ""))
        self.send_response(status)
        for name, value in {**headers, "Content-Length": "0"}.items():
            self.send_header(name, value)
        self.end_headers()

    do_GET = do_HEAD

    def finish(self) -> None:
        super().finish()
        self.connection.close()  # the server knows the one without TLS only

    def log_message(self, *_: object) -> None:
        """Says nothing: `asked` has it."""
