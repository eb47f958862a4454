"""Bad input: each a clear problem+json answer, never a 500."""

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from shop.oauth import SignInFailed, sign_in
from tests.e2e.shop import TEA, Person, Shop
from tests.e2e.system import System

PENNY = {"amount": 1, "currency": "EUR"}
PRODUCT = {"name": "Tea", "description": "", "category": "e2e", "list_price": PENNY, "active": True}


@pytest.fixture(scope="module")
def person(shop: Shop) -> Person:
    return shop.newcomer()


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Status and title, of an answer that holds to RFC 9457."""
    assert answer.headers["content-type"].split(";")[0] == "application/problem+json", answer.text
    document = answer.json()
    assert document["status"] == answer.status_code
    assert document["title"]
    assert "Traceback" not in answer.text
    return answer.status_code, document["title"]


def claims_of(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))))


def test_no_token(shop: Shop) -> None:
    answer = httpx.get(f"{shop.url}/orders")

    assert problem(answer) == (401, "Unauthorized")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_the_wrong_password_gets_no_token(person: Person) -> None:
    with pytest.raises(SignInFailed, match="the email or the password is wrong"):
        sign_in(person.shop.known, person.email, "not the right password", ["orders/read"])


def test_something_that_is_no_token(person: Person) -> None:
    assert problem(person.request("GET", "/orders", token="no.token.atall"))[0] == 401


def test_the_wrong_scope(person: Person) -> None:
    token = person.token_with(["orders/read"])

    assert person.request("GET", "/orders", token=token).status_code == 200
    assert problem(person.place_order(headers={"Idempotency-Key": "k"}, token=token))[0] == 403


def test_a_token_of_another_issuer_with_the_right_claims(person: Person) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    header = jwt.get_unverified_header(person.token)
    forged = jwt.encode(claims_of(person.token), key, algorithm="RS256", headers={"kid": header["kid"]})

    assert problem(person.request("GET", "/orders", token=forged))[0] == 401


def test_an_expired_token_of_the_right_issuer(person: Person, shared_system: System) -> None:
    claims = claims_of(person.token)
    pool = claims["iss"].rsplit("/", 1)[-1]
    key = (shared_system.data / "emulator/cognito-pool-keys" / f"{pool}-access.pem").read_text()
    header = {"kid": jwt.get_unverified_header(person.token)["kid"]}

    def signed(expires: float) -> str:
        return jwt.encode(claims | {"exp": int(expires)}, key, algorithm="RS256", headers=header)

    assert person.request("GET", "/orders", token=signed(time.time() + 60)).status_code == 200
    assert problem(person.request("GET", "/orders", token=signed(time.time() - 3600)))[0] == 401


def test_a_path_that_no_service_declares(person: Person) -> None:
    assert problem(person.request("GET", "/metrics"))[0] == 404
    assert problem(person.request("DELETE", "/orders"))[0] == 404


@pytest.mark.parametrize(
    ("options", "status"),
    [
        pytest.param({"content": b"{no json", "json": None}, 400, id="a body that is no JSON"),
        pytest.param({"content": b'"' + b"x" * (10 * 1024 * 1024) + b'"', "json": None}, 413, id="a body of 10 MB"),
        pytest.param({"json": {"lines": [TEA], "coupon": "FREE"}}, 422, id="an unknown field"),
        pytest.param({"json": {"lines": [TEA | {"unit_price": PENNY}]}}, 422, id="a price of the customer's own"),
        pytest.param({"json": {"lines": [TEA | {"sku": "E2E-NO-SUCH-TEA"}]}}, 422, id="a product that nobody knows"),
        pytest.param({"json": {"lines": [TEA, TEA]}}, 422, id="a product on two lines"),
        pytest.param({"json": {"lines": [TEA], "payment_method": "Gold!"}}, 422, id="no name of a payment method"),
        pytest.param({"json": {"lines": [TEA | {"quantity": -1}]}}, 422, id="a negative quantity"),
        pytest.param({"json": {"lines": []}}, 422, id="no lines"),
        pytest.param({"json": {"lines": [TEA | {"sku": "TEA\u0000"}]}}, 422, id="a NUL character"),
        pytest.param({"json": {"lines": [TEA | {"quantity": 10**30}]}}, 422, id="a number beyond all bounds"),
        pytest.param({"json": [1, 2]}, 422, id="a list where an object belongs"),
    ],
)
def test_a_bad_order(person: Person, options: dict[str, Any], status: int) -> None:
    body = {name: value for name, value in options.items() if value is not None}
    headers = {"Idempotency-Key": "bad", "Content-Type": "application/json"}
    if "json" not in body:
        answer = person.request("POST", "/orders", headers=headers, **body)
    else:
        answer = person.place_order(**body)

    assert problem(answer)[0] == status


def test_a_repeated_key_with_another_body(person: Person) -> None:
    person.place_order(key="twice")

    assert problem(person.place_order(key="twice", json={"lines": [TEA | {"quantity": 3}]}))[0] == 422


@pytest.mark.parametrize(
    ("path", "body"),
    [
        pytest.param("/products/e2e-tea", PRODUCT, id="a SKU in small letters"),
        pytest.param("/products/E2E-BAD", PRODUCT | {"list_price": {"amount": -1, "currency": "EUR"}}, id="a debt"),
        pytest.param("/products/E2E-BAD", PRODUCT | {"category": "Tea & Co"}, id="no name of a category"),
        pytest.param("/products/E2E-BAD", {"name": "Tea"}, id="half a product"),
        pytest.param("/stock/E2E-BAD", {"on_hand": -1}, id="less than nothing"),
        pytest.param("/stock/E2E-BAD", {"on_hand": "many"}, id="no number"),
    ],
)
def test_bad_work_of_the_staff(shop: Shop, path: str, body: dict[str, Any]) -> None:
    assert problem(shop.staff.request("PUT", path, json=body))[0] == 422


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("{", id="no GraphQL"),
        pytest.param("{ customers { email } }", id="a field that is not there"),
        pytest.param("mutation { removeEverything }", id="a mutation"),
        pytest.param("{ product(sku: 5) { sku } }", id="an argument of another type"),
        pytest.param(
            "{ " + " ".join(f"a{n}: products(first: 100) {{ edges {{ node {{ sku }} }} }}" for n in range(99)) + " }",
            id="more than one request may ask for",
        ),
    ],
)
def test_a_bad_question_to_the_storefront_is_refused_with_its_reason(shop: Shop, query: str) -> None:
    answer = httpx.post(f"{shop.url}/graphql", json={"query": query}, timeout=30)

    assert answer.status_code in (200, 400), answer.text
    assert answer.json()["errors"][0]["message"]
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda body: body | {"email": "no address"}, id="an email that is none"),
        pytest.param(lambda body: body | {"password": "short"}, id="a password that is too short"),
        pytest.param(lambda body: body | {"name": "x" * 10_000}, id="a name that is too long"),
        pytest.param(lambda body: body | {"admin": True}, id="an unknown field"),
    ],
)
def test_a_bad_sign_up(shop: Shop, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    body = change({"email": "bad@example.com", "password": "a-long-enough-password", "name": "Eve"})

    assert problem(httpx.post(f"{shop.url}/users", json=body))[0] == 422


def test_an_email_that_is_taken(shop: Shop, person: Person) -> None:
    body = {"email": person.email.upper(), "password": "another-long-password", "name": "Eve"}

    assert problem(httpx.post(f"{shop.url}/users", json=body))[0] == 409


def test_too_many_requests_are_told_when_to_come_back(shop: Shop) -> None:
    with httpx.Client() as client:
        answers = [client.post(f"{shop.url}/users", json={}) for _ in range(60)]

    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert problem(refused[0]) == (429, "Too Many Requests")
    assert int(refused[0].headers["Retry-After"]) >= 1
