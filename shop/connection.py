"""Requests as a careful client sends them: repeated where that is safe, slower when the shop asks for it."""

import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import httpx

from shop import http
from shop.errors import NotUnderstood, NotUp, Refused, Unreachable

TIMEOUT_SECONDS = 30
"""What the gateway allows a service."""
PAUSES_SECONDS = (0.2, 0.5, 1.0, 2.0)
"""Before each repetition: longer altogether than a service takes to come back."""
WAITS_SECONDS = 60.0
"""How long one request waits, altogether, because it is asked to."""
_PASSING = frozenset({502, 503, 504})
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout)


class Bearer(Protocol):
    """Somebody who is signed in, or will be when it is asked for."""

    def token(self) -> str:
        """An access token that is good for the next request."""

    def renewed(self) -> str:
        """Another one, in place of one that was refused."""


class Connection:
    """The way to one shop.

    Args:
        url: of its gateway.
        bearer: whose requests they are.
        note: is told why it takes longer.
        sleep: for tests.

    Raises:
        NotUp: when the URL is none.
    """

    def __init__(
        self, url: str, bearer: Bearer, *, note: Callable[[str], None], sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._url, self._bearer, self._note, self._sleep = url, bearer, note, sleep
        try:
            self._http = http.client(base_url=url, timeout=TIMEOUT_SECONDS)
        except httpx.InvalidURL as error:
            raise NotUp(f"the outputs of the stack name no URL of a shop: {url!r}: {error}") from None

    def close(self) -> None:
        self._http.close()

    def send(
        self, method: str, path: str, *, signed: bool = True, repeatable: bool = False, **options: Any
    ) -> httpx.Response:
        """The good answer to a request.

        Args:
            signed: whether it is a person's request.
            repeatable: whether to send it twice does no harm; GET never does.

        Raises:
            Refused: for an answer that is an error.
            Unreachable: when there was none. Nobody knows then whether the request arrived.
            NotUnderstood: for an answer that is not one of HTTP, too large, or too slow.
            NotSignedIn: when a person's request has no person.
        """
        repeatable = repeatable or method == "GET"
        pauses, waited, renewed = iter(PAUSES_SECONDS), 0.0, False
        token = self._bearer.token() if signed else None
        while True:
            answer = self._once(method, path, token, repeatable, pauses, options)
            if answer is None:
                continue
            if answer.status_code == httpx.codes.UNAUTHORIZED and signed and not renewed:
                token, renewed = self._bearer.renewed(), True
                continue
            wait_seconds = _asked_to_wait(answer, repeatable)
            if wait_seconds is not None and waited + wait_seconds <= WAITS_SECONDS:
                self._note(f"the shop asks to come back in {wait_seconds:.0f} s")
                waited += wait_seconds
                self._sleep(wait_seconds)
                continue
            if repeatable and answer.status_code in _PASSING and self._paused(pauses):
                continue
            if answer.is_success:
                return answer
            raise Refused(answer)

    def _once(
        self,
        method: str,
        path: str,
        token: str | None,
        repeatable: bool,
        pauses: Iterator[float],
        options: dict[str, Any],
    ) -> httpx.Response | None:
        """One try: its answer, or None when there was none and another try may follow."""
        headers = ({"Authorization": f"Bearer {token}"} if token else {}) | options.get("headers", {})
        try:
            return self._http.request(method, path, **(options | {"headers": headers}))
        except httpx.TransportError as error:
            if (repeatable or isinstance(error, _UNSENT)) and self._paused(pauses):
                return None
            if isinstance(error, _UNSENT):
                raise Unreachable(f"the shop does not answer at {self._url}") from error
            raise Unreachable(f"the connection broke before the shop answered ({type(error).__name__})") from error
        except httpx.RequestError as error:
            raise NotUnderstood(f"the answer to {method} {path} cannot be read: {error}") from error

    def _paused(self, pauses: Iterator[float]) -> bool:
        """Waits before another try; False when there were enough."""
        seconds = next(pauses, None)
        if seconds is None:
            return False
        self._sleep(seconds)
        return True


def _asked_to_wait(answer: httpx.Response, repeatable: bool) -> float | None:
    """The seconds after which the same request may have a better answer; None when it has this one."""
    told = answer.headers.get("Retry-After", "")
    if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
        return max(1.0, float(told)) if told.isdigit() else 1.0
    # The same request is still being answered: a copy of it came first, on a connection that broke.
    if answer.status_code == httpx.codes.CONFLICT and repeatable and told.isdigit():
        return max(1.0, float(told))
    return None
