"""Made-up users: their passwords are known here, so they can be signed up, in, and in again."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from shop import oauth
from shop.api import Api
from shop.connection import Connection
from shop.outputs import Outputs


@dataclass
class User:
    """A user of one shop. Gives a `Connection` its access tokens, as a `Bearer` does."""

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


def new_user(outputs: Outputs, kind: str) -> User:
    """A user that no shop knows yet, with a random address (`<kind>-...@example.com`) and password."""
    return User(outputs, f"{kind}-{secrets.token_hex(6)}@example.com", secrets.token_urlsafe(24))


def sign_up(user: User, connection: Connection, name: str) -> None:
    Api(connection).sign_up(user.email, user.password, name)
