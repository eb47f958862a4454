"""uvicorn, set up for a service behind a load balancer."""

from __future__ import annotations

import math
import socket
import time

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from chassis.middleware import MAX_HEADER_BYTES, headers_too_large
from chassis.problems import Problem
from chassis.settings import Settings

KEEP_ALIVE_SECONDS = 75
"""Longer than the 60 s after which a load balancer closes an idle connection: it must be the one to do so."""
MAX_UNREAD_BYTES = 4 * MAX_HEADER_BYTES
"""Of one part of a request that has no end yet. Above MAX_HEADER_BYTES, so that a whole head is answered, logged and
counted as every request is (see middleware.HeaderLimit)."""
LINGERING_SECONDS = 2.0
"""For so long the rest of a refused request is read and dropped. Otherwise a client that reads only after it has sent
everything would find its connection reset, and never see the answer."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 protocol with bounded memory: it refuses large heads, trailers and chunk extensions with 431.

    uvicorn has no limit of its own here: its parser keeps a header, a target, a trailer or the extension of a chunk
    until it is whole, however long it gets.
    """

    _unread_bytes = 0
    _refused = False

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._unread_bytes += len(data)
        super().data_received(data)
        if self._unread_bytes > MAX_UNREAD_BYTES and not self.transport.is_closing():
            self._refuse()

    # Whatever the parser hands over is a part that has come to its end.

    def on_message_begin(self) -> None:
        self._unread_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._unread_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unread_bytes = 0
        super().on_body(body)

    def _refuse(self) -> None:
        self._refused = True
        if self.cycle is not None and not self.cycle.response_complete:
            # In the middle of a request, whose answer may have begun.
            self.transport.close()
            return
        self._unset_keepalive_if_required()
        self.transport.write(_REFUSAL)
        self.loop.call_later(LINGERING_SECONDS, self.transport.close)


def _written(problem: Problem) -> bytes:
    """The problem as an answer in bytes, after which the connection is closed."""
    answer = problem.response()
    headers = b"".join(name + b": " + value + b"\r\n" for name, value in answer.raw_headers)
    status = f"HTTP/1.1 {problem.status} {problem.title}\r\n".encode()
    return status + headers + b"connection: close\r\n\r\n" + bytes(answer.body)


_REFUSAL = _written(headers_too_large())


class Server(uvicorn.Server):
    """Serves an application. When it is told to stop, it accepts no more requests and lets those in flight finish.

    First the requests finish, then the workers (see app), all within `shutdown_seconds` of the settings. It also stops
    when a worker dies: the supervisor of the process then starts it again, even if it does not use /livez.
    """

    failed = False
    """Whether a worker has died."""

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                loop="uvloop",
                http=BoundedProtocol,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=math.ceil(settings.shutdown_seconds),
            )
        )
        self._app = app
        self._shutdown_seconds = settings.shutdown_seconds

    async def on_tick(self, counter: int) -> bool:
        self.failed = bool(self._app.state.workers.dead())
        return await super().on_tick(counter) or self.failed

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.stop_by = time.monotonic() + self._shutdown_seconds
        await super().shutdown(sockets)
