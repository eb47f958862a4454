"""Who calls: the JWT authorizer of an HTTP API.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html
"""

import asyncio
import hashlib
import json
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import jwt

logger = logging.getLogger(__name__)

ALGORITHM = "RS256"
REFETCH_SECONDS = 10.0
RETRY_SECONDS = 1.0
FETCH_TIMEOUT_SECONDS = 1.5  # API Gateway's own limit for a key set
CALLERS_MAX = 4096

_REASONS: dict[type[jwt.PyJWTError], str] = {
    jwt.ExpiredSignatureError: "the token has expired",
    jwt.ImmatureSignatureError: "the token is not valid yet",
    jwt.InvalidIssuerError: "the token does not have a valid issuer",
    jwt.InvalidSignatureError: "the signature is invalid",
    jwt.MissingRequiredClaimError: "the token lacks a required claim",
}


class TokenRefused(Exception):
    """The token proves nothing; the message says why and may be shown to the caller."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a token names, what it allows, and until when (seconds since the epoch)."""

    subject: str | None
    scopes: frozenset[str]
    expires_at: float


class PublishedKeys:
    """The issuer's public keys by key id: fetched when an unknown id appears, but not more often than each 10 s.

    A fetch that failed is tried again after a second: at start the gateway may be up before the issuer.
    """

    def __init__(
        self, session: aiohttp.ClientSession, url: str, clock_seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._session = session
        self._url = url
        self._clock_seconds = clock_seconds
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._next_fetch_at = float("-inf")
        self._fetching = asyncio.Lock()

    async def find(self, key_id: str) -> jwt.PyJWK:
        """Raises TokenRefused when the issuer has no such key, or cannot be asked."""
        if key_id not in self._keys:
            async with self._fetching:
                if key_id not in self._keys and self._clock_seconds() >= self._next_fetch_at:
                    await self._fetch()
        if not self._keys:
            raise TokenRefused("the issuer's keys could not be fetched")
        if key_id not in self._keys:
            raise TokenRefused("the token is signed by an unknown key")
        return self._keys[key_id]

    async def _fetch(self) -> None:
        self._next_fetch_at = self._clock_seconds() + RETRY_SECONDS
        try:
            async with self._session.get(
                self._url, timeout=aiohttp.ClientTimeout(total=FETCH_TIMEOUT_SECONDS), raise_for_status=True
            ) as answer:
                published = jwt.PyJWKSet.from_dict(json.loads(await answer.read()))
        except (aiohttp.ClientError, TimeoutError, ValueError, jwt.PyJWTError) as error:
            logger.warning("cannot fetch the keys from %s: %r", self._url, error)
            return
        self._keys = {key.key_id: key for key in published.keys if key.key_id and key.key_type == "RSA"}
        self._next_fetch_at = self._clock_seconds() + REFETCH_SECONDS


class TokenVerifier:
    """Checks access tokens. One that was found good is remembered until it expires, up to CALLERS_MAX of them."""

    def __init__(
        self,
        *,
        issuer: str,
        audience: Iterable[str],
        keys: PublishedKeys,
        epoch_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._issuer = issuer
        self._audience = frozenset(audience)
        self._keys = keys
        self._epoch_seconds = epoch_seconds
        self._callers: OrderedDict[bytes, Caller] = OrderedDict()

    async def verify(self, token: str) -> Caller:
        """Raises TokenRefused."""
        if not token.isascii():
            # aiohttp gives bytes that are no UTF-8 as lone surrogates, which nothing can encode.
            raise TokenRefused("the token is malformed")
        # A digest, so that the memory of this process holds no tokens.
        digest = hashlib.sha256(token.encode()).digest()
        caller = self._callers.get(digest)
        if caller is not None and caller.expires_at > self._epoch_seconds():
            self._callers.move_to_end(digest)
            return caller
        caller = _caller(await self._claims(token), self._audience)
        self._callers[digest] = caller
        if len(self._callers) > CALLERS_MAX:
            self._callers.popitem(last=False)
        return caller

    async def _claims(self, token: str) -> dict[str, Any]:
        try:
            key_id = jwt.get_unverified_header(token).get("kid")
            if not isinstance(key_id, str):
                raise TokenRefused("the token does not name its key")
            return jwt.decode(
                token,
                await self._keys.find(key_id),
                algorithms=[ALGORITHM],
                issuer=self._issuer,
                # The audience is checked by API Gateway's own rule, below.
                options={"require": ["exp", "iss"], "verify_aud": False},
            )
        except jwt.PyJWTError as error:
            raise TokenRefused(_REASONS.get(type(error), "the token is malformed")) from error


def _caller(claims: Mapping[str, Any], audience: frozenset[str]) -> Caller:
    """API Gateway looks at client_id only where there is no aud: access tokens of Cognito have none."""
    intended = claims["aud"] if "aud" in claims else claims.get("client_id")
    if audience.isdisjoint(_words(intended)):
        raise TokenRefused("the token does not have a valid audience")
    scopes = claims["scope"] if "scope" in claims else claims.get("scp")
    return Caller(claims.get("sub"), frozenset(_words(scopes)), float(claims["exp"]))


def _words(claim: object) -> list[str]:
    """A claim that is a list, or one string with words between spaces."""
    if isinstance(claim, str):
        return claim.split()
    return [item for item in claim if isinstance(item, str)] if isinstance(claim, list) else []
