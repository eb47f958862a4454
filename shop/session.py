"""Who is signed in, kept between two commands."""

import time

from pydantic import BaseModel, ConfigDict, Field

from shop import oauth
from shop.client_store import ClientStore
from shop.errors import NotSignedIn
from shop.oauth import SignInFailed, Tokens
from shop.outputs import Outputs

EARLY_SECONDS = 30
"""A token is renewed so long before its end: it should outlast the request."""


class Record(BaseModel):
    """What is kept of a person. Never the password."""

    model_config = ConfigDict(frozen=True)

    email: str
    access_token: str = Field(repr=False)
    refresh_token: str | None = Field(default=None, repr=False)
    expires_at: float
    """Seconds since 1970, by this machine's clock."""


class Session:
    """The person who is signed in to one shop."""

    def __init__(self, outputs: Outputs, store: ClientStore) -> None:
        self._outputs, self._store = outputs, store

    @property
    def email(self) -> str:
        return self._record().email

    def begin(self, email: str, tokens: Tokens) -> None:
        person = (self._outputs.issuer, email, tokens.access_token, tokens.refresh_token, _expiry(tokens))
        with self._store.transaction() as database:
            database.execute("INSERT OR REPLACE INTO people VALUES (?, ?, ?, ?, ?)", person)

    def end(self) -> str | None:
        """Forgets the person; returns who it was."""
        record = self._find()
        if record is None:
            return None
        with self._store.transaction() as database:
            database.execute("DELETE FROM people WHERE issuer = ?", (self._outputs.issuer,))
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
        with self._store.transaction() as database:
            # Unless somebody has signed in or out meanwhile.
            database.execute(
                "UPDATE people SET access_token = ?, refresh_token = ?, expires_at = ?"
                " WHERE issuer = ? AND refresh_token = ?",
                (
                    tokens.access_token,
                    tokens.refresh_token,
                    _expiry(tokens),
                    self._outputs.issuer,
                    record.refresh_token,
                ),
            )
        return tokens.access_token

    def _record(self) -> Record:
        record = self._find()
        if record is None:
            raise NotSignedIn("you are not signed in")
        return record

    def _find(self) -> Record | None:
        with self._store.reading() as database:
            if database is None:
                return None
            found = database.execute(
                "SELECT email, access_token, refresh_token, expires_at FROM people WHERE issuer = ?",
                (self._outputs.issuer,),
            ).fetchone()
        if found is None:
            return None
        email, access_token, refresh_token, expires_at = found
        return Record(email=email, access_token=access_token, refresh_token=refresh_token, expires_at=expires_at)


def _expiry(tokens: Tokens) -> float:
    return time.time() + tokens.expires_in
