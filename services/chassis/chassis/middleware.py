"""Middleware of every service. Plain ASGI, as BaseHTTPMiddleware costs a task and a stream for each request."""

from __future__ import annotations

import asyncio
import re
import time

import structlog
from opentelemetry import trace
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils.compat import uuid7

from chassis import metrics
from chassis.problems import Problem
from chassis.request_priority import REQUESTS

REQUEST_ID_HEADER = "X-Request-Id"
INTERNAL_PATHS = frozenset({"/livez", "/readyz", "/metrics", "/openapi.json"})
"""Asked by the platform, often: not traced, not logged, not counted."""
MAX_HEADER_BYTES = 16 * 1024
"""Of the target and all headers; as in the Go chassis. The gateway takes no more than 10 KiB and adds a few."""

_VALID_REQUEST_ID = re.compile(r"[A-Za-z0-9._:=+/-]{1,128}")
_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})

log = structlog.get_logger(__name__)


class RequestContext:
    """Sets the request id, writes the access log and the metrics, and answers 500 for an unexpected exception."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _request_id(scope)
        with REQUESTS.tracked(), structlog.contextvars.bound_contextvars(request_id=request_id):
            await self._handle(scope, receive, send, request_id)

    async def _handle(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        started = time.perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = request_id
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        except asyncio.CancelledError:
            # The time to shut down is over.
            if not status:
                await Problem(503, "Service Unavailable", "The service is stopping.").response()(
                    scope, receive, send_with_id
                )
            raise
        except Exception as error:
            log.exception("request_failed", method=scope["method"], path=scope["path"])
            trace.get_current_span().record_exception(error)
            if status:
                raise  # Too late for an answer: the server must cut the connection.
            problem = Problem(500, "Internal Server Error", request_id=request_id)
            await problem.response()(scope, receive, send_with_id)
        finally:
            _record(scope, status, time.perf_counter() - started)


def headers_too_large() -> Problem:
    return Problem(431, "Request Header Fields Too Large", f"The headers may have at most {MAX_HEADER_BYTES} bytes.")


class HeaderLimit:
    """Refuses a request whose target and headers are more than MAX_HEADER_BYTES with 431.

    What has no end at all is refused before it gets here, see server.BoundedProtocol.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _header_bytes(scope) > MAX_HEADER_BYTES:
            await headers_too_large().response()(scope, receive, send)
            return
        await self.app(scope, receive, send)


def _header_bytes(scope: Scope) -> int:
    """As they were sent: each header has a colon, a space and a line break beside its name and value."""
    target = len(scope["raw_path"]) + len(scope["query_string"])
    return target + sum(len(name) + len(value) + 4 for name, value in scope["headers"])


class BodyLimit:
    """Refuses a body of more than `max_bytes` with 413: by its announced length, else once it has grown too long.

    What is not read of it is dropped by the server as it comes; the connection stays usable.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        too_large = Problem(413, "Content Too Large", f"A body may have at most {self.max_bytes} bytes.")
        # The HTTP parser lets no length through that is not a number.
        if int(Headers(scope=scope).get("content-length", "0")) > self.max_bytes:
            await too_large.response()(scope, receive, send)
            return
        read_bytes = 0

        async def receive_counted() -> Message:
            nonlocal read_bytes
            message = await receive()
            read_bytes += len(message.get("body", b""))
            if read_bytes > self.max_bytes:
                raise too_large
            return message

        await self.app(scope, receive_counted, send)


class NulFilter:
    """Refuses NUL characters in the path and the query: PostgreSQL has no text with them.

    Those in a body are refused by RequestModel.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            for place, found in (("/path", "\0" in scope["path"]), ("/query", b"%00" in scope["query_string"])):
                if found:
                    error = {"pointer": place, "detail": "must not contain NUL characters"}
                    response = Problem(422, "Invalid request", errors=[error]).response()
                    await response(scope, receive, send)
                    return
        await self.app(scope, receive, send)


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).get(REQUEST_ID_HEADER, "")
    return given if _VALID_REQUEST_ID.fullmatch(given) else str(uuid7())


def _record(scope: Scope, status: int, duration_seconds: float) -> None:
    if scope["path"] in INTERNAL_PATHS:
        return
    route = scope.get("route")
    # A path or a method that nobody declared must not become a label: anyone could make millions.
    template = getattr(route, "path", "unmatched")
    method = scope["method"] if scope["method"] in _METHODS else "other"
    metrics.HTTP_REQUESTS.labels(method, template, status).inc()
    metrics.HTTP_DURATION.labels(method, template, status).observe(duration_seconds)
    log.info(
        "request_handled",
        method=method,
        route=template,
        path=scope["path"],
        status=status,
        duration_seconds=round(duration_seconds, 6),
    )
