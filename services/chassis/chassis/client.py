"""Calls to another service: bounded in time, retried when that is safe, cut off while the other is down."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

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
PASSING_STATUSES = frozenset({502, 503, 504})
CONNECT_SECONDS = 1.0
# A connection that was kept alive is lost whenever the other side restarts.
_PASSING_ERRORS = (httpx.NetworkError, httpx.ConnectTimeout, httpx.RemoteProtocolError)
_STATES = {"closed": 0, "half-opened": 1, "opened": 2}

log = structlog.get_logger(__name__)


class CalleeUnavailableError(Problem):
    """Another service gave no usable answer. Left uncaught, the caller is answered 503."""

    def __init__(self, callee: str) -> None:
        super().__init__(503, "Service Unavailable", f"{callee} does not answer.")
        self.callee = callee


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
        self._breakers = purgatory.AsyncCircuitBreakerFactory(
            default_threshold=failures_to_open, default_ttl=open_seconds, exclude=[asyncio.CancelledError]
        )
        timeout = httpx.Timeout(timeout_seconds, connect=min(CONNECT_SECONDS, timeout_seconds))
        self._http = httpx.AsyncClient(base_url=base_url, timeout=timeout)
        HTTPXClientInstrumentor.instrument_client(self._http)
        metrics.CIRCUIT_STATE.labels(name).set(_STATES["closed"])

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
            method, path, params=params, json=json, headers={**_request_id(), **(headers or {})}
        )
        attempts = self._attempts if request.method in IDEMPOTENT_METHODS else 1
        try:
            async for attempt in stamina.retry_context(
                on=_is_passing, attempts=attempts, timeout=None, wait_initial=0.05, wait_max=1.0, wait_jitter=0.1
            ):
                with attempt:
                    return await self._attempt(request)
        except (httpx.TransportError, TimeoutError, OpenedState, _ServerError) as error:
            log.warning("callee_unavailable", callee=self.name, reason=f"{type(error).__name__}: {error}")
            raise CalleeUnavailableError(self.name) from None
        raise AssertionError("a retry context returns or raises")

    async def close(self) -> None:
        await self._http.aclose()

    async def _attempt(self, request: httpx.Request) -> httpx.Response:
        breaker = await self._breakers.get_breaker(self.name)
        try:
            async with breaker, asyncio.timeout(self._timeout_seconds):
                response = await self._http.send(request)
                if response.status_code >= 500:
                    raise _ServerError(response.status_code)
                return response
        finally:
            metrics.CIRCUIT_STATE.labels(self.name).set(_STATES[breaker.context.state])


def _is_passing(error: Exception) -> bool:
    if isinstance(error, _ServerError):
        return error.status in PASSING_STATUSES
    return isinstance(error, _PASSING_ERRORS)


def _request_id() -> dict[str, str]:
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    return {} if request_id is None else {REQUEST_ID_HEADER: request_id}
