"""People whose password a tool knows: it signs them up, in, and in again."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from shop import oauth
from shop.api import Api
from shop.connection import Connection
from shop.outputs import Outputs


@dataclass
class Visitor:
    """A person of one shop; a Bearer of `shop.connection`."""

    outputs: Outputs
    email: str
    password: str = field(repr=False)
    _token: str | None = field(default=None, repr=False)

    def token(self) -> str:
        return self._token or self.renewed()

    def renewed(self) -> str:
        # A new sign-in instead of a refresh: it is what brings a new group into the token, everywhere.
        self._token = oauth.sign_in(self.outputs, self.email, self.password, self.outputs.scopes).access_token
        return self._token

    def connection(self, note: Callable[[str], None]) -> Connection:
        return Connection(self.outputs.url, self, note=note)


def stranger(outputs: Outputs, kind: str) -> Visitor:
    """Somebody whom nobody knows yet, with an address and a password of their own."""
    return Visitor(outputs, f"{kind}-{secrets.token_hex(6)}@example.com", secrets.token_urlsafe(24))


def sign_up(visitor: Visitor, connection: Connection, name: str) -> None:
    Api(connection).sign_up(visitor.email, visitor.password, name)
