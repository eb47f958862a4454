"""Orders that were sent, each with its Idempotency-Key: whoever wants the same before its answer came gets its key."""

import hashlib
import json
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from shop.client_store import ClientStore
from shop.errors import Refused

KEY_HOURS = 23
"""For how long an order without an answer is taken for the same one. The shop knows a key for 24 hours at least, by
another clock."""


class SentOrders:
    """The orders that this machine sent to one shop.

    Args:
        issuer: of the shop's tokens.
        started_at: when this command was given, in seconds since 1970. What was answered later was not answered then:
            of equal commands that are given at once, the last one may read this after the first one's answer.
    """

    def __init__(self, store: ClientStore, issuer: str, started_at: float) -> None:
        self._store, self._issuer, self._started_at = store, issuer, started_at

    @contextmanager
    def sending(self, email: str, order: Mapping[str, Any]) -> Iterator[str]:
        """The key to send with the order: that of an equal order of the same person, as long as it has no answer.

        When this ends well, or with the shop's refusal of the order, it is answered, and the next equal order is
        another one. Whatever else ends it, the next one is still this one: also where another command has its answer.
        """
        key = self._claimed(_content(self._issuer, email, order))
        try:
            yield key
        except Refused as refused:
            self._set_answered(key, time.time() if _settles(refused) else None)
            raise
        except BaseException:
            self._set_answered(key, None)
            raise
        self._set_answered(key, time.time())

    def _claimed(self, content: str) -> str:
        now = time.time()
        oldest = now - KEY_HOURS * 3600
        with self._store.transaction() as database:
            database.execute("DELETE FROM sent_orders WHERE sent_at <= ?", (oldest,))
            found = database.execute(
                "SELECT key FROM sent_orders WHERE content = ? AND (answered_at IS NULL OR answered_at > ?)"
                " ORDER BY sent_at LIMIT 1",
                (content, self._started_at),
            ).fetchone()
            if found:
                return str(found[0])
            key = secrets.token_hex(16)
            database.execute("INSERT INTO sent_orders VALUES (?, ?, ?, ?, NULL)", (key, self._issuer, content, now))
        return key

    def _set_answered(self, key: str, at: float | None) -> None:
        with self._store.transaction() as database:
            database.execute("UPDATE sent_orders SET answered_at = ? WHERE key = ?", (at, key))


def _settles(refused: Refused) -> bool:
    """Whether nothing was ordered with this key, nor will be.

    What the gateway refuses (401, 403, 429, ...) says nothing about an earlier try; what fails halfway (5xx), or while
    a copy of it is under way (409), may have been done.
    """
    return refused.status == httpx.codes.UNPROCESSABLE_ENTITY


def _content(issuer: str, email: str, order: Mapping[str, Any]) -> str:
    """A digest of who wants what, and where."""
    wanted = json.dumps([issuer, email.lower(), order], sort_keys=True)
    return hashlib.sha256(wanted.encode()).hexdigest()
