"""Calls to another service by gRPC: with a deadline, retries and a circuit breaker."""

from __future__ import annotations

import os
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from google.protobuf.message import DecodeError, Message
from opentelemetry import propagate, trace

from chassis.client import CONNECT_SECONDS, Circuit, request_id

if TYPE_CHECKING:
    import grpc.aio

M = TypeVar("M", bound=Message)

DEFAULT_PORT = 80
MAX_MESSAGE_BYTES = 1024 * 1024
REFUSALS = frozenset(
    {
        "ABORTED",
        "ALREADY_EXISTS",
        "FAILED_PRECONDITION",
        "INVALID_ARGUMENT",
        "NOT_FOUND",
        "OUT_OF_RANGE",
        "PERMISSION_DENIED",
        "UNAUTHENTICATED",
    }
)
"""The statuses that are about the request; all others count as a failure of the callee."""
_CHANNEL_OPTIONS = (
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    # A callee that starts again is found at once: left alone, these grow to 20 and 120 seconds.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.min_reconnect_backoff_ms", round(CONNECT_SECONDS * 1000)),  # what one attempt to connect may take
    ("grpc.dns_min_time_between_resolutions_ms", 1000),
    # A callee whose machine is gone closes no connection.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 2000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # Services are called directly, and one client's back-off is no other's.
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
)

tracer = trace.get_tracer(__name__)


class GrpcRefusedError(Exception):
    """The other service has understood the request and says no. `code` is the name of a gRPC status."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class _FailedError(Exception):
    def __init__(self, code: str, details: str | None) -> None:
        super().__init__(f"{code}: {details}")
        self.code = code


class GrpcClient:
    """Calls one other service, without TLS, at the host and port of an http URL (port 80 unless it is named).

    timeout_seconds bounds each attempt as a whole, and goes along as its deadline. A call that meets UNAVAILABLE is
    attempted up to `attempts` times, so every method called must be one that may be done twice; a time-out is never
    tried again. After `failures_to_open` failed attempts in a row, every call fails at once for `open_seconds`. Close
    the client when the service stops (Service.clients). Raises ValueError for another kind of URL.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        *,
        timeout_seconds: float = 0.5,
        attempts: int = 2,
        failures_to_open: int = 5,
        open_seconds: float = 10.0,
    ) -> None:
        self.name = name
        self._target = _target(base_url)
        self._timeout_seconds = timeout_seconds
        self._attempts = attempts
        self._circuit = Circuit(
            name,
            failures=(_FailedError,),
            answers=(GrpcRefusedError,),
            failures_to_open=failures_to_open,
            open_seconds=open_seconds,
        )
        self._grpc = _imported()
        self._channel: grpc.aio.Channel | None = None

    async def call(self, method: str, request: Message, answer: type[M]) -> M:
        """The answer of a unary method, e.g. "/shop.pricing.v1.Pricing/Quote".

        Trace context and X-Request-Id of the request being handled go along as metadata. Raises GrpcRefusedError for a
        status that is about the request (REFUSALS), CalleeUnavailableError for no usable answer.
        """
        body = request.SerializeToString()
        return await self._circuit.call(
            lambda: self._attempt(method, body, answer), attempts=self._attempts, is_transient=_is_transient
        )

    async def close(self) -> None:
        if self._channel is not None:
            await self._channel.close()

    async def _attempt(self, method: str, body: bytes, answer: type[M]) -> M:
        if self._channel is None:
            # Not earlier: a channel belongs to the event loop that runs.
            self._channel = self._grpc.aio.insecure_channel(self._target, options=_CHANNEL_OPTIONS)
        service, _, name = method.removeprefix("/").partition("/")
        attributes = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": name}
        with tracer.start_as_current_span(f"{service}/{name}", kind=trace.SpanKind.CLIENT, attributes=attributes):
            try:
                send: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(method)
                metadata = self._grpc.aio.Metadata(*_metadata().items())
                return answer.FromString(await send(body, timeout=self._timeout_seconds, metadata=metadata))
            except self._grpc.aio.AioRpcError as error:
                code, details = error.code().name, error.details()
                if code in REFUSALS:
                    raise GrpcRefusedError(code, details or "") from None
                raise _FailedError(code, details) from None
            except DecodeError as error:
                raise _FailedError("unreadable", str(error)) from None


def _imported() -> ModuleType:
    """grpc, which takes a tenth of a second that only its users pay. Its C core writes lines of its own to stderr, and
    prepares for forks that nobody makes, unless it is told before it is loaded."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    import grpc.aio

    return grpc


def _target(base_url: str) -> str:
    url = urlsplit(base_url)
    if url.scheme != "http" or not url.hostname:
        raise ValueError(f"a gRPC callee is at http://host:port, not at {base_url!r}")
    host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
    return f"{host}:{url.port or DEFAULT_PORT}"


def _metadata() -> dict[str, str]:
    carrier: dict[str, str] = {name.lower(): value for name, value in request_id().items()}
    propagate.inject(carrier)
    return carrier


def _is_transient(error: Exception) -> bool:
    return isinstance(error, _FailedError) and error.code == "UNAVAILABLE"
