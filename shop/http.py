"""HTTP with an end: no answer fills the memory of the client, or keeps it waiting for ever."""

import time
from collections.abc import Iterator
from typing import Any

import httpx

from shop.errors import NotUnderstood

LARGEST_MIB = 16
LONGEST_SECONDS = 60
"""For the body of one answer, however steadily it drips."""


def client(**options: Any) -> httpx.Client:
    """An `httpx.Client` whose requests also raise NotUnderstood, for an answer that is too large or takes too long."""
    return httpx.Client(event_hooks={"response": [_bound]}, headers={"Accept-Encoding": "identity"}, **options)


class _Bounded(httpx.SyncByteStream):
    def __init__(self, stream: httpx.SyncByteStream, request: str) -> None:
        self._stream, self._request = stream, request

    def __iter__(self) -> Iterator[bytes]:
        size, deadline = 0, time.monotonic() + LONGEST_SECONDS
        for chunk in self._stream:
            size += len(chunk)
            if size > LARGEST_MIB * 2**20:
                raise NotUnderstood(f"the answer to {self._request} is larger than {LARGEST_MIB} MiB")
            if time.monotonic() > deadline:
                raise NotUnderstood(f"the answer to {self._request} took longer than {LONGEST_SECONDS} s")
            yield chunk

    def close(self) -> None:
        self._stream.close()


def _bound(answer: httpx.Response) -> None:
    if isinstance(answer.stream, httpx.SyncByteStream):
        answer.stream = _Bounded(answer.stream, f"{answer.request.method} {answer.request.url.path}")
