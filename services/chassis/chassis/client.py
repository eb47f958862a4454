"""Calls to another service: with a time-out, retries where they are safe, and a circuit breaker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import httpx
import purgatory
import stamina
import structlog
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from purgatory.domain.model import OpenedState

from chassis import metrics
from chassis.middleware import REQUEST_ID_HEADER
from chassis.problems import Problem

IDEMPOTENT_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PUT"})
TRANSIENT_STATUSES = frozenset({502, 503, 504})
CONNECT_SECONDS = 1.0
# A connection that was kept alive is lost whenever the other side restarts.
_TRANSIENT_ERRORS = (httpx.NetworkError, httpx.ConnectTimeout, httpx.RemoteProtocolError)
_STATES = {"closed": 0, "half-opened": 1, "opened": 2}

T = TypeVar("T")

log = structlog.get_logger(__name__)


class CalleeUnavailableError(Problem):
    """Another service gave no usable answer. Not caught, it becomes a 503 for the caller."""

    def __init__(self, callee: str) -> None:
        super().__init__(503, "Service Unavailable", f"{callee} does not answer.")
        self.callee = callee


class Circuit:
    """The retries and the circuit breaker of all calls to one other service, for any protocol.

    failures: exceptions that mean that the callee gave no usable answer.
    answers: exceptions that are answers of a callee that is up.
    After `failures_to_open` failed attempts in a row, every call fails at once for `open_seconds`; then one that
    succeeds closes the circuit again.
    """

    def __init__(
        self,
        callee: str,
        *,
        failures: tuple[type[Exception], ...],
        answers: tuple[type[Exception], ...] = (),
        failures_to_open: int,
        open_seconds: float,
    ) -> None:
        self._callee = callee
        self._failures: tuple[type[Exception], ...] = (OpenedState, *failures)
        self._breakers = purgatory.AsyncCircuitBreakerFactory(
            default_threshold=failures_to_open, default_ttl=open_seconds, exclude=[asyncio.CancelledError, *answers]
        )
        metrics.CIRCUIT_STATE.labels(callee).set(_STATES["closed"])

    async def call(
        self, attempt: Callable[[], Awaitable[T]], *, attempts: int, is_transient: Callable[[Exception], bool]
    ) -> T:
        """Returns what attempt() returns. Transient failures are retried with exponential back-off and jitter, up to
        `attempts` attempts. Raises CalleeUnavailableError for a failure; other exceptions pass through.
        """
        try:
            if attempts == 1:
                return await self._attempt(attempt)
            async for each in stamina.retry_context(
                on=is_transient, attempts=attempts, timeout=None, wait_initial=0.05, wait_max=1.0, wait_jitter=0.1
            ):
                with each:
                    return await self._attempt(attempt)
        except self._failures as error:
            log.warning("callee_unavailable", callee=self._callee, reason=f"{type(error).__name__}: {error}")
            error.__traceback__ = None  # an open circuit raises the same object each time: it would grow
            raise CalleeUnavailableError(self._callee) from None
        raise AssertionError("a retry context returns or raises")

    async def _attempt(self, attempt: Callable[[], Awaitable[T]]) -> T:
        breaker = await self._breakers.get_breaker(self._callee)
        try:
            async with breaker:
                return await attempt()
        finally:
            metrics.CIRCUIT_STATE.labels(self._callee).set(_STATES[breaker.context.state])


class _ServerError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(f"answered {status}")
        self.status = status


class ServiceClient:
    """Calls one other service.

    timeout_seconds bounds each attempt as a whole, from the connection to the last byte. An idempotent method is
    attempted up to `attempts` times, with exponential back-off and jitter, when the connection fails or is lost, or the
    answer is 502, 503 or 504; never after a time-out, which has used up the caller's patience. After
    `failures_to_open` failed attempts in a row, every call fails at once for `open_seconds`; then one that succeeds
    closes the circuit again. Close the client when the service stops (Service.clients).
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        *,
        timeout_seconds: float = 2.0,
        attempts: int = 3,
        failures_to_open: int = 5,
        open_seconds: float = 10.0,
    ) -> None:
        self.name = name
        self._attempts = attempts
        self._timeout_seconds = timeout_seconds
        self._circuit = Circuit(
            name,
            failures=(httpx.RequestError, TimeoutError, _ServerError),
            failures_to_open=failures_to_open,
            open_seconds=open_seconds,
        )
        timeout = httpx.Timeout(timeout_seconds, connect=min(CONNECT_SECONDS, timeout_seconds))
        self._http = httpx.AsyncClient(base_url=base_url, timeout=timeout)
        HTTPXClientInstrumentor.instrument_client(self._http)

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """The answer, read, of a status below 500: what a 4xx means is the caller's to know.

        Trace context and X-Request-Id of the request being handled go along. Raises CalleeUnavailableError.
        """
        request = self._http.build_request(
            method, path, params=params, json=json, headers={**request_id(), **(headers or {})}
        )
        attempts = self._attempts if request.method in IDEMPOTENT_METHODS else 1
        return await self._circuit.call(lambda: self._attempt(request), attempts=attempts, is_transient=_is_transient)

    async def close(self) -> None:
        await self._http.aclose()

    async def _attempt(self, request: httpx.Request) -> httpx.Response:
        async with asyncio.timeout(self._timeout_seconds):
            response = await self._http.send(request)
            if response.status_code >= 500:
                raise _ServerError(response.status_code)
            return response


def _is_transient(error: Exception) -> bool:
    if isinstance(error, _ServerError):
        return error.status in TRANSIENT_STATUSES
    return isinstance(error, _TRANSIENT_ERRORS)


def request_id() -> dict[str, str]:
    """The header that hands on the id of the request being handled; empty outside of one."""
    current = structlog.contextvars.get_contextvars().get("request_id")
    return {} if current is None else {REQUEST_ID_HEADER: current}
