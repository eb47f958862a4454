import asyncio
import base64
import functools
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Annotated, Any

import httpx
import jwt
import pytest
import time_machine
from aiohttp import web
from aiohttp.test_utils import TestServer
from chassis import auth
from chassis.auth import FRESH_SECONDS, LEEWAY_SECONDS, REFETCH_SECONDS, Principal, TokenVerifier, caller, staff
from chassis.problems import Problem
from chassis.settings import BadEnvironmentError
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi import APIRouter
from jwt.algorithms import RSAAlgorithm

from services.chassis.tests.applications import application, served, settings, verifier_of
from tests.fixtures import eventually
from tests.tokens import Issuer


def whoami() -> APIRouter:
    router = APIRouter()

    @router.get("/me")
    async def me(principal: Annotated[Principal, caller()]) -> str:
        return principal.subject

    @router.post("/orders")
    async def place(principal: Annotated[Principal, caller("orders/read", "orders/write")]) -> str:
        return principal.subject

    @router.put("/prices")
    async def price(principal: Annotated[Principal, staff("catalog/write")]) -> str:
        return principal.subject

    @router.get("/public")
    async def public() -> str:
        return "everyone"

    return router


def in_groups(tokens: Issuer, groups: Any, scopes: Sequence[str] = ()) -> str:
    claims: dict[str, Any] = {"cognito:groups": groups}
    return tokens.token("ada", scopes, **claims)


async def ask(tokens: Issuer, method: str, path: str, authorization: str | None) -> httpx.Response:
    headers = {} if authorization is None else {"Authorization": authorization}
    async with served(application(whoami(), verifier=verifier_of(tokens))) as client:
        return await client.request(method, path, headers=headers)


async def test_a_good_token_names_its_caller(tokens: Issuer) -> None:
    principal = await verifier_of(tokens).verify(tokens.token("ada", ["orders/read", "orders/write"]))

    assert principal == Principal(
        subject="ada", client_id=tokens.audience, scopes=frozenset({"orders/read", "orders/write"})
    )


async def test_a_good_token_opens_the_door(tokens: Issuer) -> None:
    answer = await ask(tokens, "GET", "/me", f"bearer {tokens.token('ada')}")

    assert (answer.status_code, answer.json()) == (200, "ada")


async def test_a_token_names_the_groups_of_its_caller(tokens: Issuer) -> None:
    token = in_groups(tokens, ["staff", "buyers"])

    assert (await verifier_of(tokens).verify(token)).groups == {"staff", "buyers"}
    assert (await verifier_of(tokens).verify(tokens.token("ada"))).groups == frozenset()


@pytest.mark.parametrize(
    ("scopes", "groups", "status"),
    [
        (["catalog/write"], ["staff"], 200),
        (["catalog/write"], ["buyers", "Staff"], 403),
        (["catalog/write"], [], 403),
        (["catalog/write"], None, 403),
        (["catalog/read"], ["staff"], 403),
    ],
)
async def test_only_the_staff_comes_in_where_staff_is_needed_and_needs_the_scope_as_well(
    tokens: Issuer, scopes: list[str], groups: list[str] | None, status: int
) -> None:
    token = in_groups(tokens, groups, scopes)
    answer = await ask(tokens, "PUT", "/prices", f"Bearer {token}")

    assert answer.status_code == status
    assert answer.headers["content-type"] == ("application/json" if status == 200 else "application/problem+json")


async def test_without_a_token_nobody_is_staff(tokens: Issuer) -> None:
    assert (await ask(tokens, "PUT", "/prices", None)).status_code == 401


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Basic YWRhOmFkYQ=="])
async def test_without_a_token_nobody_comes_in(tokens: Issuer, authorization: str | None) -> None:
    answer = await ask(tokens, "GET", "/me", authorization)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == "A bearer token is needed."


async def test_a_public_route_asks_for_no_token(tokens: Issuer) -> None:
    assert (await ask(tokens, "GET", "/public", None)).status_code == 200


def now() -> int:
    return int(time.time())


def unsigned(token: str) -> str:
    """The token's claims with the algorithm `none`."""
    _, claims, _ = token.split(".")
    return f"{encoded({'alg': 'none', 'kid': 'test-key'})}.{claims}."


def signed_with_the_public_key(token: str, tokens: Issuer) -> str:
    """The token's claims signed with HMAC, whose secret is what everybody can read: the issuer's public key."""
    _, claims, _ = token.split(".")
    head = f"{encoded({'alg': 'HS256', 'kid': 'test-key'})}.{claims}"
    public_key = httpx.get(tokens.jwks_url).content
    signature = hmac.new(public_key, head.encode(), hashlib.sha256).digest()
    return f"{head}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def encoded(part: dict[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


BAD_TOKENS: dict[str, Callable[[Issuer], str]] = {
    "expired": lambda tokens: tokens.token(expires_in_seconds=-11),
    "of another issuer": lambda tokens: tokens.token(iss="https://elsewhere.example"),
    "for another client": lambda tokens: tokens.token(client_id="other"),
    "for another audience": lambda tokens: tokens.token(client_id=None, aud=["other"]),
    "for nobody": lambda tokens: tokens.token(client_id=None),
    "an id token": lambda tokens: tokens.token(token_use="id", aud=tokens.audience),
    "from the future": lambda tokens: tokens.token(iat=now() + 60),
    "not valid yet": lambda tokens: tokens.token(nbf=now() + 60),
    "of no time": lambda tokens: tokens.token(iat=None),
    "without an end": lambda tokens: tokens.token(exp=None),
    "of nobody": lambda tokens: tokens.token(sub=None),
    "with groups that are no list": lambda tokens: in_groups(tokens, "staff"),
    "with a group that is no name": lambda tokens: in_groups(tokens, [["staff"]]),
    "with scopes that are a list": lambda tokens: tokens.token(scope=["orders/read"]),
    "signed by another key": lambda tokens: tokens.foreign_token(),
    "unsigned": lambda tokens: unsigned(tokens.token()),
    "signed with the public key": lambda tokens: signed_with_the_public_key(tokens.token(), tokens),
    "with another signature": lambda tokens: tokens.token()[:-8] + "AAAAAAAA",
    "no token": lambda tokens: "garbage",
    "three bad parts": lambda tokens: "a.b.c",
    "not even ASCII": lambda tokens: "ü.ü.ü",
}


@pytest.mark.parametrize("kind", BAD_TOKENS)
async def test_a_bad_token_is_refused(tokens: Issuer, kind: str) -> None:
    with pytest.raises(Problem) as refused:
        await verifier_of(tokens).verify(BAD_TOKENS[kind](tokens))

    assert refused.value.status == 401
    assert refused.value.headers == {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    expected = "The token has expired." if kind == "expired" else "The token is not valid here."
    assert refused.value.detail == expected


async def test_clocks_may_be_some_seconds_apart(tokens: Issuer) -> None:
    verifier = verifier_of(tokens)

    assert await verifier.verify(tokens.token(expires_in_seconds=-5))
    assert await verifier.verify(tokens.token(iat=now() + 5, nbf=now() + 5))


@pytest.mark.parametrize("audience", ["test-client", ["other", "test-client"]])
async def test_an_audience_claim_is_as_good_as_a_client_id(tokens: Issuer, audience: str | list[str]) -> None:
    principal = await verifier_of(tokens).verify(tokens.token(client_id=None, aud=audience, token_use=None))

    assert principal.client_id is None


async def test_a_token_without_the_scope_is_forbidden_and_told_which(tokens: Issuer) -> None:
    answer = await ask(tokens, "POST", "/orders", f"Bearer {tokens.token(scopes=['orders/read'])}")

    assert answer.status_code == 403
    assert answer.json()["detail"] == "The token lacks orders/write."
    expected = 'Bearer error="insufficient_scope", scope="orders/read orders/write"'
    assert answer.headers["www-authenticate"] == expected


async def test_the_document_shows_the_scopes_of_each_operation(tokens: Issuer) -> None:
    document = application(whoami(), verifier=verifier_of(tokens)).openapi()

    paths = document["paths"]
    assert paths["/orders"]["post"]["security"] == [{"oauth2": ["orders/read", "orders/write"]}]
    assert paths["/me"]["get"]["security"] == [{"oauth2": []}]
    assert "security" not in paths["/public"]["get"]
    scheme = document["components"]["securitySchemes"]["oauth2"]
    assert (scheme["type"], scheme["flows"]) == ("oauth2", {})


async def test_the_verifier_is_made_from_the_settings(tokens: Issuer) -> None:
    given = settings(
        token_issuer=tokens.issuer, token_audience=frozenset({tokens.audience}), token_jwks_url=tokens.jwks_url
    )
    async with served(application(whoami(), settings=given)) as client:
        answer = await client.get("/me", headers={"Authorization": f"Bearer {tokens.token('ada')}"})

    assert answer.json() == "ada"


def test_a_service_that_needs_tokens_does_not_start_without_an_issuer() -> None:
    nested = APIRouter()
    nested.include_router(whoami(), prefix="/v1")
    with pytest.raises(
        BadEnvironmentError, match=r"^TOKEN_ISSUER: these routes need tokens: /v1/me, /v1/orders, /v1/prices$"
    ):
        application(nested)


@functools.cache
def private_key(key_id: str) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class KeyServer:
    """A JWKS endpoint that can rotate its key, break and hang; counts what it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.status = 200
        self.key_id = "first"
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.url = ""

    def token(self, key_id: str | None = None, person: str = "ada") -> str:
        claims = {"iss": "https://issuer", "sub": person, "client_id": "web", "iat": now(), "exp": now() + 300}
        key = private_key(self.key_id)
        return jwt.encode(claims, key, algorithm="RS256", headers={"kid": key_id or self.key_id})

    async def answer(self, _request: web.Request) -> web.Response:
        self.asked += 1
        await self.go_on.wait()
        public = RSAAlgorithm.to_jwk(private_key(self.key_id).public_key(), as_dict=True)
        return web.json_response({"keys": [public | {"kid": self.key_id, "use": "sig"}]}, status=self.status)


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
async def keys() -> AsyncIterator[KeyServer]:
    keys = KeyServer()
    app = web.Application()
    app.router.add_get("/keys", keys.answer)
    async with TestServer(app, shutdown_timeout=0) as server:
        keys.url = str(server.make_url("/keys"))
        yield keys


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def verifier(keys: KeyServer, clock: Clock) -> TokenVerifier:
    return TokenVerifier(issuer="https://issuer", audience={"web"}, jwks_url=keys.url, clock=clock)


async def status_of(verifier: TokenVerifier, token: str) -> int:
    try:
        await verifier.verify(token)
    except Problem as problem:
        return problem.status
    return 200


async def test_keys_are_fetched_once_for_many_callers_at_once(keys: KeyServer, verifier: TokenVerifier) -> None:
    token = keys.token()

    assert await asyncio.gather(*(status_of(verifier, token) for _ in range(20))) == [200] * 20
    assert keys.asked == 1


async def test_a_new_key_is_found_once_the_keys_may_be_fetched_again(
    keys: KeyServer, verifier: TokenVerifier, clock: Clock
) -> None:
    assert await status_of(verifier, keys.token()) == 200
    keys.key_id = "second"
    assert await status_of(verifier, keys.token()) == 401

    clock.seconds += REFETCH_SECONDS
    assert await status_of(verifier, keys.token()) == 200
    assert keys.asked == 2


async def test_invented_key_ids_cost_the_issuer_one_request_in_ten_seconds(
    keys: KeyServer, verifier: TokenVerifier, clock: Clock
) -> None:
    assert await status_of(verifier, keys.token()) == 200

    for number in range(20):
        clock.seconds += 1
        assert await status_of(verifier, keys.token(f"invented-{number}")) == 401

    assert keys.asked == 3


async def test_a_withdrawn_key_stops_working(keys: KeyServer, verifier: TokenVerifier, clock: Clock) -> None:
    withdrawn = keys.token()
    assert await status_of(verifier, withdrawn) == 200
    keys.key_id = "second"

    clock.seconds += FRESH_SECONDS - 1
    assert await status_of(verifier, withdrawn) == 200
    clock.seconds += 1
    assert await status_of(verifier, withdrawn) == 401


async def test_the_signature_of_a_token_is_checked_once_while_its_key_is_the_same(
    keys: KeyServer, verifier: TokenVerifier, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []
    decode = jwt.decode

    def note(token: str, *given: Any, **options: Any) -> Any:
        checked.append(token)
        return decode(token, *given, **options)

    monkeypatch.setattr(jwt, "decode", note)
    token, other = keys.token(), keys.token()[:-3] + "AAA"

    sent = (token, token, other, other, token)
    assert [await status_of(verifier, each) for each in sent] == [200, 200, 401, 401, 200]
    assert checked == [token, other, other]
    clock.seconds += FRESH_SECONDS
    assert [await status_of(verifier, token) for _ in range(2)] == [200, 200]
    assert checked == [token, other, other, token]


async def test_a_token_that_was_good_is_refused_once_it_has_expired(keys: KeyServer, verifier: TokenVerifier) -> None:
    token = keys.token()
    assert await status_of(verifier, token) == 200

    with time_machine.travel(now() + 300 + LEEWAY_SECONDS - 1, tick=False):
        assert await status_of(verifier, token) == 200
    with time_machine.travel(now() + 300 + LEEWAY_SECONDS + 1, tick=False):
        assert await status_of(verifier, token) == 401


async def test_no_more_tokens_are_remembered_than_there_is_room_for(
    keys: KeyServer, verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "MAX_CACHED_TOKENS", 2)

    for number in range(5):
        assert await status_of(verifier, keys.token(person=f"person-{number}")) == 200

    assert len(verifier._verified_tokens) == 2


@pytest.mark.parametrize("status", [500, 404])
async def test_without_any_keys_the_answer_is_503_and_the_issuer_is_left_alone(
    keys: KeyServer, verifier: TokenVerifier, clock: Clock, status: int
) -> None:
    keys.status = status
    with pytest.raises(Problem) as unavailable:
        await verifier.verify(keys.token())
    assert unavailable.value.status == 503
    assert unavailable.value.headers == {"Retry-After": "10"}
    assert await status_of(verifier, keys.token()) == 503
    assert keys.asked == 1

    keys.status = 200
    clock.seconds += REFETCH_SECONDS
    assert await status_of(verifier, keys.token()) == 200


async def test_nobody_at_the_address_of_the_keys_is_503(unused_tcp_port: int, keys: KeyServer) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}/keys"
    verifier = TokenVerifier(issuer="https://issuer", audience={"web"}, jwks_url=url)

    assert await status_of(verifier, keys.token()) == 503


async def test_known_keys_outlive_an_outage_of_the_issuer(
    keys: KeyServer, verifier: TokenVerifier, clock: Clock
) -> None:
    assert await status_of(verifier, keys.token()) == 200
    keys.status = 500

    clock.seconds += FRESH_SECONDS
    assert await status_of(verifier, keys.token()) == 200
    assert await status_of(verifier, keys.token("unknown")) == 503


async def test_a_slow_issuer_holds_up_nobody_who_does_not_need_it(
    keys: KeyServer, verifier: TokenVerifier, clock: Clock
) -> None:
    assert await status_of(verifier, keys.token()) == 200
    clock.seconds += REFETCH_SECONDS
    keys.go_on.clear()

    waiting = asyncio.create_task(status_of(verifier, keys.token("unknown")))

    async def asked() -> bool:
        return keys.asked == 2

    await eventually(asked)
    assert await status_of(verifier, keys.token()) == 200
    assert not waiting.done()

    keys.go_on.set()
    assert await waiting == 401
