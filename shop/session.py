"""Who is signed in, kept between two commands."""

import hashlib
import json
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from infra.local.files import write_private
from shop import oauth
from shop.errors import NotSignedIn, ShopError
from shop.oauth import SignInFailed, Tokens
from shop.outputs import Outputs, home

EARLY_SECONDS = 30
"""A token is renewed so long before its end: it should outlast the request."""
KEY_SECONDS = 3600
"""For how long an order that got no answer is taken for the same one. The shop knows a key for 24 hours at least."""


class Unanswered(BaseModel):
    """An order that was sent and got no answer."""

    model_config = ConfigDict(frozen=True)

    key: str
    order: str
    """The digest of what was ordered."""
    sent_at: float


class Record(BaseModel):
    """What is kept of a person. Never the password."""

    model_config = ConfigDict(frozen=True)

    email: str
    access_token: str = Field(repr=False)
    refresh_token: str | None = Field(default=None, repr=False)
    expires_at: float
    """Seconds since 1970, by this machine's clock."""
    unanswered: Unanswered | None = None


_RECORDS = TypeAdapter(dict[str, Record])


class Session:
    """The person who is signed in to one shop: an entry in `.shop/client.json`, which its owner alone may read."""

    def __init__(self, outputs: Outputs) -> None:
        self._outputs = outputs
        self._path = home() / "client.json"

    @property
    def email(self) -> str:
        return self._record().email

    def begin(self, email: str, tokens: Tokens) -> None:
        self._keep(_record(email, tokens))

    def end(self) -> str | None:
        """Forgets the person; returns who it was."""
        records = _read(self._path)
        record = records.pop(self._outputs.issuer, None)
        if record is None:
            return None
        self._write(records)
        if record.refresh_token:
            oauth.revoke(self._outputs, record.refresh_token)
        return record.email

    def token(self) -> str:
        """An access token that is good for the next request. Raises NotSignedIn."""
        record = self._record()
        return record.access_token if time.time() < record.expires_at - EARLY_SECONDS else self.renewed()

    def renewed(self) -> str:
        """A new access token. Raises NotSignedIn when the person has to come again."""
        record = self._record()
        if record.refresh_token is None:
            raise NotSignedIn("your sign-in has ended")
        try:
            tokens = oauth.renew(self._outputs, record.refresh_token)
        except SignInFailed:
            raise NotSignedIn("your sign-in has ended") from None
        self._keep(_record(record.email, tokens).model_copy(update={"unanswered": record.unanswered}))
        return tokens.access_token

    def key_for(self, order: Mapping[str, Any]) -> str:
        """The Idempotency-Key to send with the order: the same as before when that try got no answer."""
        record, now = self._record(), time.time()
        digest = hashlib.sha256(json.dumps(order, sort_keys=True).encode()).hexdigest()
        before = record.unanswered
        if before and before.order == digest and 0 <= now - before.sent_at < KEY_SECONDS:
            return before.key
        unanswered = Unanswered(key=secrets.token_hex(16), order=digest, sent_at=now)
        self._keep(record.model_copy(update={"unanswered": unanswered}))
        return unanswered.key

    def answered(self) -> None:
        """The order of the last key is settled: the next one is another one."""
        self._keep(self._record().model_copy(update={"unanswered": None}))

    def _record(self) -> Record:
        record = _read(self._path).get(self._outputs.issuer)
        if record is None:
            raise NotSignedIn("you are not signed in")
        return record

    def _keep(self, record: Record) -> None:
        self._write(_read(self._path) | {self._outputs.issuer: record})

    def _write(self, records: dict[str, Record]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_private(self._path, _RECORDS.dump_json(records, indent=2).decode())


def _record(email: str, tokens: Tokens) -> Record:
    return Record(
        email=email,
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        expires_at=time.time() + tokens.expires_in,
    )


def _read(path: Path) -> dict[str, Record]:
    try:
        return _RECORDS.validate_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValidationError):
        raise ShopError(f"{path} cannot be read; remove it and sign in again") from None
