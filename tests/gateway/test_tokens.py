"""The authorizer alone: tokens and keys over real HTTP, time by a clock of the test."""

import time
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import aiohttp
import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from infra.local.gateway import tokens as gateway_tokens
from infra.local.gateway.tokens import PublishedKeys, TokenRefused, TokenVerifier
from tests.tokens import Issuer


class Clock:
    now_seconds = 1000.0

    def __call__(self) -> float:
        return self.now_seconds


class KeyServer:
    """An issuer's key set that changes; counts how often it is asked."""

    def __init__(self) -> None:
        self.published: dict[str, rsa.RSAPublicKey] = {}
        self.algorithm: str | None = None
        self.status = 200
        self.asked = 0

    async def serve(self, request: web.Request) -> web.Response:
        self.asked += 1
        of_all = {"use": "sig"} | ({"alg": self.algorithm} if self.algorithm else {})
        keys = [
            RSAAlgorithm.to_jwk(key, as_dict=True) | of_all | {"kid": key_id} for key_id, key in self.published.items()
        ]
        return web.json_response({"keys": keys}, status=self.status)


@pytest.fixture(scope="module")
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def verifier(session: aiohttp.ClientSession, tokens: Issuer) -> TokenVerifier:
    keys = PublishedKeys(session, tokens.jwks_url)
    return TokenVerifier(issuer=tokens.issuer, audience=[tokens.audience, "another"], keys=keys)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def key_server() -> KeyServer:
    return KeyServer()


@pytest.fixture
async def keys(session: aiohttp.ClientSession, key_server: KeyServer, clock: Clock) -> AsyncIterator[PublishedKeys]:
    app = web.Application()
    app.router.add_get("/jwks.json", key_server.serve)
    async with TestServer(app) as server:
        yield PublishedKeys(session, str(server.make_url("/jwks.json")), clock)


async def refusal(verification: Awaitable[object]) -> str:
    """Why it was refused."""
    with pytest.raises(TokenRefused) as refused:
        await verification
    return str(refused.value)


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"client_id": "another"},
        {"aud": "another", "client_id": "elsewhere"},
        {"aud": ["elsewhere", "another"], "client_id": None},
        {"nbf": int(time.time()) - 5},
        {"iat": None},
    ],
)
async def test_a_good_token_names_its_caller(verifier: TokenVerifier, tokens: Issuer, claims: dict[str, Any]) -> None:
    token = tokens.token(subject="ada", scopes=["orders/read", "orders/write"], **claims)

    caller = await verifier.verify(token)

    assert caller.subject == "ada"
    assert caller.scopes == {"orders/read", "orders/write"}


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"expires_in_seconds": -1}, "the token has expired"),
        ({"expires_in_seconds": 0}, "the token has expired"),
        ({"exp": None}, "the token lacks a required claim"),
        ({"iss": "https://elsewhere"}, "the token does not have a valid issuer"),
        ({"iss": None}, "the token lacks a required claim"),
        ({"nbf": int(time.time()) + 600}, "the token is not valid yet"),
        ({"iat": int(time.time()) + 600}, "the token is not valid yet"),
        ({"client_id": "elsewhere"}, "the token does not have a valid audience"),
        ({"client_id": None}, "the token does not have a valid audience"),
        ({"aud": "elsewhere"}, "the token does not have a valid audience"),
        ({"aud": ["elsewhere"]}, "the token does not have a valid audience"),
        ({"aud": 7}, "the token does not have a valid audience"),
    ],
)
async def test_a_token_that_does_not_hold_is_refused(
    verifier: TokenVerifier, tokens: Issuer, claims: dict[str, Any], reason: str
) -> None:
    assert await refusal(verifier.verify(tokens.token(**claims))) == reason


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scope": None, "scp": ["a", "b"]}, {"a", "b"}),
        ({"scope": None, "scp": "a b"}, {"a", "b"}),
        ({"scope": "a", "scp": ["b"]}, {"a"}),
        ({"scope": None}, set()),
        ({"scope": ""}, set()),
        ({"scope": {"a": "b"}}, set()),
    ],
)
async def test_scopes_are_read_from_scope_or_else_from_scp(
    verifier: TokenVerifier, tokens: Issuer, claims: dict[str, Any], scopes: set[str]
) -> None:
    assert (await verifier.verify(tokens.token(**claims))).scopes == scopes


async def test_a_token_signed_by_another_key_under_the_same_id_is_refused(
    verifier: TokenVerifier, tokens: Issuer
) -> None:
    assert await refusal(verifier.verify(tokens.foreign_token())) == "the signature is invalid"


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "ä", "." * 5000, "\udcff.b.c"])
async def test_what_is_no_token_is_refused(verifier: TokenVerifier, token: str) -> None:
    assert await refusal(verifier.verify(token)) == "the token is malformed"


@pytest.mark.parametrize("algorithm", ["RS512", "PS256"])
async def test_no_algorithm_but_rs256_is_taken_even_if_the_issuer_publishes_it(
    keys: PublishedKeys, key_server: KeyServer, private_key: rsa.RSAPrivateKey, algorithm: str
) -> None:
    key_server.published["k"] = private_key.public_key()
    key_server.algorithm = algorithm
    verifier = TokenVerifier(issuer="https://issuer", audience=["client"], keys=keys)
    claims = {"iss": "https://issuer", "client_id": "client", "exp": time.time() + 60}

    token = jwt.encode(claims, private_key, algorithm=algorithm, headers={"kid": "k"})

    assert await refusal(verifier.verify(token)) == "the token is malformed"


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
async def test_a_token_without_a_signature_by_a_private_key_is_refused(
    verifier: TokenVerifier, tokens: Issuer, algorithm: str
) -> None:
    claims = jwt.decode(tokens.token(), options={"verify_signature": False})
    secret = "" if algorithm == "none" else "x" * 64

    token = jwt.encode(claims, secret, algorithm=algorithm, headers={"kid": tokens.key_id})

    assert await refusal(verifier.verify(token)) == "the token is malformed"


async def test_a_token_that_does_not_name_its_key_is_refused(
    verifier: TokenVerifier, private_key: rsa.RSAPrivateKey
) -> None:
    assert (
        await refusal(verifier.verify(jwt.encode({}, private_key, algorithm="RS256")))
        == "the token does not name its key"
    )


async def test_a_verified_token_is_remembered_until_it_expires(
    session: aiohttp.ClientSession, tokens: Issuer, clock: Clock
) -> None:
    clock.now_seconds = time.time()
    keys = PublishedKeys(session, tokens.jwks_url)
    verifier = TokenVerifier(issuer=tokens.issuer, audience=[tokens.audience], keys=keys, epoch_seconds=clock)
    token = tokens.token(expires_in_seconds=60)
    first = await verifier.verify(token)

    clock.now_seconds = first.expires_at - 0.1
    assert await verifier.verify(token) is first
    clock.now_seconds = first.expires_at
    assert await verifier.verify(token) is not first


async def test_only_so_many_callers_are_remembered_and_the_latest_stay(
    verifier: TokenVerifier, tokens: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_tokens, "CALLERS_MAX", 2)
    ada, bob, eve = (tokens.token(subject=name) for name in ("ada", "bob", "eve"))
    first_ada, first_bob = await verifier.verify(ada), await verifier.verify(bob)
    await verifier.verify(ada)
    await verifier.verify(eve)

    assert await verifier.verify(ada) is first_ada
    assert await verifier.verify(bob) is not first_bob


async def test_the_keys_are_fetched_once_for_many_tokens(
    keys: PublishedKeys, key_server: KeyServer, private_key: rsa.RSAPrivateKey
) -> None:
    key_server.published["k"] = private_key.public_key()

    for _ in range(5):
        await keys.find("k")

    assert key_server.asked == 1


async def test_an_unknown_key_is_looked_for_again_but_not_more_often_than_each_ten_seconds(
    keys: PublishedKeys, key_server: KeyServer, clock: Clock, private_key: rsa.RSAPrivateKey
) -> None:
    key_server.published["old"] = private_key.public_key()
    await keys.find("old")
    key_server.published["new"] = private_key.public_key()

    clock.now_seconds += 9.9
    for _ in range(3):
        assert await refusal(keys.find("new")) == "the token is signed by an unknown key"
    assert key_server.asked == 1

    clock.now_seconds += 0.2
    assert (await keys.find("new")).key_id == "new"
    assert key_server.asked == 2


async def test_an_issuer_that_cannot_be_asked_is_asked_again_after_a_second(
    keys: PublishedKeys, key_server: KeyServer, clock: Clock, private_key: rsa.RSAPrivateKey
) -> None:
    key_server.published["k"] = private_key.public_key()
    key_server.status = 500
    for _ in range(3):
        assert await refusal(keys.find("k")) == "the issuer's keys could not be fetched"
    assert key_server.asked == 1

    key_server.status = 200
    clock.now_seconds += 1
    assert (await keys.find("k")).key_id == "k"


async def test_keys_that_are_known_outlive_an_issuer_that_is_down(
    keys: PublishedKeys, key_server: KeyServer, clock: Clock, private_key: rsa.RSAPrivateKey
) -> None:
    key_server.published["k"] = private_key.public_key()
    await keys.find("k")
    key_server.status = 500
    clock.now_seconds += 3600

    assert await refusal(keys.find("unknown")) == "the token is signed by an unknown key"
    assert (await keys.find("k")).key_id == "k"
