"""Verifies access tokens. The gateway has done so already: this is the second line of defence."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Protocol

import jwt
import structlog
from fastapi import Depends, Request, Security
from fastapi.openapi.models import OAuth2 as OAuth2Model
from fastapi.openapi.models import OAuthFlows
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase

from chassis.problems import Problem

LEEWAY_SECONDS = 10
"""How far the clocks of the issuer and of this machine may be apart."""
REFETCH_SECONDS = 10
"""Unknown keys are fetched at most once in this time, so that requests with invented key ids do not load the issuer."""
FRESH_SECONDS = 300
"""Keys are fetched again after this time, so that a withdrawn key stops working."""
FETCH_TIMEOUT_SECONDS = 3
MAX_CACHED_TOKENS = 4096
"""Verified tokens that are cached, some 500 bytes each."""
GROUPS_CLAIM = "cognito:groups"
STAFF = "staff"
"""The group of those who run the shop."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Principal:
    """The caller: subject, client, scopes and groups of a verified token.

    A scope is what the person has allowed the client to do, and any client may ask for it; a group is a role of the
    person, given by the shop.
    """

    subject: str
    client_id: str | None
    scopes: frozenset[str]
    groups: frozenset[str] = frozenset()


class Verifier(Protocol):
    """What `create_app` needs to tell a good token from a bad one."""

    async def verify(self, token: str) -> Principal:
        """The caller of a good token. Raises Problem 401 for a bad one, 503 when that cannot be told now."""


class TokenVerifier:
    """Verifies the access tokens of one issuer: signature, issuer, time, audience and use.

    Verified tokens are cached until they expire or their key changes: a person sends the same token many times, and to
    check its signature takes longer than most requests.

    audience: the client ids whose tokens are accepted, looked for in `aud` and `client_id` (Cognito's access tokens
    have no `aud`). Nothing is fetched before the first token comes. clock: seconds that only grow, for the age of keys.
    """

    def __init__(
        self,
        *,
        issuer: str,
        audience: Collection[str],
        jwks_url: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer = issuer
        self._audience = frozenset(audience)
        self._keys = _KeySet(jwks_url, clock)
        self._verified_tokens: dict[bytes, _VerifiedToken] = {}

    async def verify(self, token: str) -> Principal:
        """The caller of a good token. Raises Problem 401 for a bad one, 503 when its key is out of reach."""
        try:
            return await self._cached(token) or await self._verified(token)
        except jwt.ExpiredSignatureError:
            raise _unauthorized("The token has expired.") from None
        except jwt.PyJWTError as error:
            log.info("token_refused", reason=type(error).__name__)
            raise _unauthorized("The token is not valid here.") from None

    async def _cached(self, token: str) -> Principal | None:
        good = self._verified_tokens.get(_digest(token))
        if good is None or time.time() >= good.expires_at + LEEWAY_SECONDS:
            return None
        # The same key and not one of the same name: what was fetched anew may have changed.
        return good.principal if await self._keys.get(good.key_id) is good.key else None

    async def _verified(self, token: str) -> Principal:
        key_id = str(jwt.get_unverified_header(token).get("kid"))
        key = await self._keys.get(key_id)
        # The header is the caller's word: the algorithm is ours to choose, and a key is only looked up.
        claims = jwt.decode(
            token,
            key,
            algorithms=["RS256"],
            issuer=self._issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iat", "iss", "sub"], "verify_aud": False},
        )
        self._check(claims)
        principal = Principal(
            subject=claims["sub"],
            client_id=claims.get("client_id"),
            scopes=frozenset(claims.get("scope", "").split()),
            groups=frozenset(claims.get(GROUPS_CLAIM, ())),
        )
        self._verified_tokens[_digest(token)] = _VerifiedToken(principal, key_id, key, int(claims["exp"]))
        if len(self._verified_tokens) > MAX_CACHED_TOKENS:
            del self._verified_tokens[next(iter(self._verified_tokens))]
        return principal

    def _check(self, claims: dict[str, Any]) -> None:
        audience = claims.get("aud", [])
        named = {audience} if isinstance(audience, str) else set(audience)
        if self._audience.isdisjoint(named | {claims.get("client_id")}):
            raise jwt.InvalidAudienceError("for another client")
        if claims.get("token_use", "access") != "access":
            raise jwt.InvalidTokenError("not an access token")
        for name in ("client_id", "scope"):
            if not isinstance(claims.get(name, ""), str):
                raise jwt.InvalidTokenError(f"{name} is not a string")
        groups = claims.get(GROUPS_CLAIM, [])
        if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
            raise jwt.InvalidTokenError(f"{GROUPS_CLAIM} is not a list of strings")


@dataclass(frozen=True, slots=True)
class _VerifiedToken:
    """The result of a verification. `expires_at`: in seconds since 1970."""

    principal: Principal
    key_id: str
    key: jwt.PyJWK
    expires_at: int


def _digest(token: str) -> bytes:
    """The cache's key, so that the memory of this process holds no tokens."""
    return hashlib.sha256(token.encode()).digest()


class _KeySet:
    """The issuer's published keys. One fetch at a time; fetched keys remain usable during an outage of the issuer."""

    def __init__(self, url: str, clock: Callable[[], float]) -> None:
        # urllib in a thread, a few times an hour: no HTTP client has to be loaded for it.
        self._client = jwt.PyJWKClient(url, cache_jwk_set=False, timeout=FETCH_TIMEOUT_SECONDS)
        self._keys: dict[str, jwt.PyJWK] = {}
        self._clock = clock
        self._asked_at = float("-inf")
        self._reachable = False
        self._lock = asyncio.Lock()

    async def get(self, key_id: str) -> jwt.PyJWK:
        """The key of this id. Raises jwt.InvalidTokenError for an unknown one, Problem 503 without an answer."""
        if self._must_fetch(key_id):
            async with self._lock:
                if self._must_fetch(key_id):
                    await self._fetch()
        if key_id in self._keys:
            return self._keys[key_id]
        if self._reachable:
            raise jwt.InvalidTokenError("unknown key id")
        raise Problem(
            503,
            "Service Unavailable",
            "Tokens cannot be checked: the keys of their issuer are out of reach.",
            headers={"Retry-After": str(REFETCH_SECONDS)},
        )

    def _must_fetch(self, key_id: str) -> bool:
        age_seconds = self._clock() - self._asked_at
        return age_seconds >= (FRESH_SECONDS if key_id in self._keys and self._reachable else REFETCH_SECONDS)

    async def _fetch(self) -> None:
        try:
            keys = await asyncio.to_thread(self._client.get_signing_keys)
        except (jwt.PyJWTError, OSError, ValueError) as error:
            self._reachable = False
            log.warning("issuer_keys_out_of_reach", reason=str(error))
        else:
            self._reachable = True
            self._keys = {key.key_id: key for key in keys if key.key_id}
        finally:
            self._asked_at = self._clock()


class _Bearer(SecurityBase):
    """The dependency behind `caller`; as a SecurityBase it shows in the OpenAPI document."""

    scheme_name = "oauth2"
    # No flow: where tokens are had differs between environments, and the document is the same in all of them.
    model = OAuth2Model(flows=OAuthFlows(), description="An access token of the environment's user pool.")

    async def __call__(self, request: Request, required: SecurityScopes) -> Principal:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Problem(401, "Unauthorized", "A bearer token is needed.", headers={"WWW-Authenticate": "Bearer"})
        verifier: Verifier = request.app.state.verifier
        principal = await verifier.verify(token.strip())
        missing = [scope for scope in required.scopes if scope not in principal.scopes]
        if missing:
            wanted = " ".join(required.scopes)
            challenge = f'Bearer error="insufficient_scope", scope="{wanted}"'
            detail = f"The token lacks {' '.join(missing)}."
            raise Problem(403, "Forbidden", detail, headers={"WWW-Authenticate": challenge})
        return principal


_bearer = _Bearer()


def caller(*scopes: str) -> Any:
    """The caller, who must hold all of the scopes: `principal: Annotated[Principal, caller("orders/write")]`.

    Answers 401 without a good token and 403 without one of the scopes.
    """
    return Security(_bearer, scopes=scopes)


def staff(*scopes: str) -> Any:
    """The caller, as `caller` has it, who must also be of the group STAFF: answers 403 otherwise."""

    its_caller = caller(*scopes)  # FastAPI finds no `scopes` in an annotation

    async def of_staff(principal: Principal = its_caller) -> Principal:
        if STAFF not in principal.groups:
            raise Problem(403, "Forbidden", "Only the staff of the shop may do this.")
        return principal

    return Depends(of_staff)


def _unauthorized(detail: str) -> Problem:
    challenge = 'Bearer error="invalid_token"'
    return Problem(401, "Unauthorized", detail, headers={"WWW-Authenticate": challenge})
