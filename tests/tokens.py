"""An issuer of access tokens for tests: tokens as Cognito makes them, and its published keys on a real HTTP server."""

import json
import threading
import time
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm


class Issuer:
    """Signs tokens; `jwks_url` serves its public key."""

    def __init__(self) -> None:
        self.issuer = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_tests"
        self.audience = "test-client"
        self.key_id = "test-key"
        self._key = _new_key()
        self._foreign_key = _new_key()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def jwks_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/.well-known/jwks.json"

    def token(
        self,
        subject: str = "ada",
        scopes: Iterable[str] = ("orders/read",),
        expires_in_seconds: int = 300,
        **claims: Any,
    ) -> str:
        """An access token; a claim given as None is left out."""
        return self._sign(self._key, self._claims(subject, scopes, expires_in_seconds) | claims)

    def foreign_token(self, subject: str = "ada", scopes: Iterable[str] = ("orders/read",)) -> str:
        """A token with every right claim and this issuer's key id, signed by a key that it does not own."""
        return self._sign(self._foreign_key, self._claims(subject, scopes, 300))

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _claims(self, subject: str, scopes: Iterable[str], expires_in_seconds: int) -> dict[str, Any]:
        now = int(time.time())
        return {
            "iss": self.issuer,
            "sub": subject,
            "client_id": self.audience,
            "scope": " ".join(scopes),
            "token_use": "access",
            "iat": now,
            "exp": now + expires_in_seconds,
        }

    def _sign(self, key: rsa.RSAPrivateKey, claims: dict[str, Any]) -> str:
        kept = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(kept, key, algorithm="RS256", headers={"kid": self.key_id})

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        published = RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        body = json.dumps({"keys": [published | {"kid": self.key_id, "use": "sig", "alg": "RS256"}]}).encode()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        return Handler


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)
