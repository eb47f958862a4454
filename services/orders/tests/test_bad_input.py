"""Whatever is sent, the answer is a clear problem and nothing is stored."""

import base64
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa
from chassis.database import Database
from orders.tables import idempotency_keys, orders

from tests.tokens import Issuer

from .customers import Customer, line
from .others import deliver, product

SOME_ID = UUID("01997d5e-0000-7000-8000-000000000001")


def assert_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    return problem


async def assert_nothing_stored(database: Database, customer: Customer) -> None:
    async with database.connection() as connection:
        for table in (orders, idempotency_keys):
            of_customer = sa.select(table).where(table.c.customer_id == customer.name)
            assert (await connection.execute(of_customer)).first() is None


def changed(**fields: Any) -> dict[str, Any]:
    return {"lines": [line() | fields]}


UNFIT = {
    "101 lines": ({"lines": [line(f"TEA-{number}") for number in range(101)]}, "/body/lines"),
    "an empty body": (None, "/body"),
    "a price of one's own": (changed(unit_price={"amount": 1, "currency": "EUR"}), "/body/lines/0/unit_price"),
    "11 coupons": ({"lines": [line()], "coupons": ["TEN"] * 11}, "/body/coupons"),
    "a member named by half a character": ({"lines": [line()], "\ud800": 1}, "/body"),
    "a quantity as a truth value": (changed(quantity=True), "/body/lines/0/quantity"),
    "an infinite quantity": (changed(quantity=float("inf")), "/body/lines/0/quantity"),
    "a quantity that is no number": (changed(quantity=float("nan")), "/body/lines/0/quantity"),
    "a quantity of 4000 digits": (changed(quantity=10**3999), "/body/lines/0/quantity"),
    "a SKU with NUL": (changed(sku="TEA\0"), "/body/lines/0/sku"),
    "a SKU with a line break": (changed(sku="TEA\n"), "/body/lines/0/sku"),
    "a SKU of digits of another script": (changed(sku="٣"), "/body/lines/0/sku"),
}


async def test_an_order_that_does_not_fit_the_schema_is_refused_with_the_place(
    ada: Customer, database: Database
) -> None:
    """What JSON can write and the generated requests of test_interface.py do not; and that the place is named."""
    headers = {"Idempotency-Key": "once", "Content-Type": "application/json"}
    for case, (body, pointer) in UNFIT.items():
        content = b"" if body is None else json.dumps(body).encode()

        problem = assert_problem(await ada.http.post("/orders", content=content, headers=headers), 422)

        assert [error["pointer"] for error in problem["errors"]] == [pointer], case
    await assert_nothing_stored(database, ada)


@pytest.mark.parametrize(
    ("lines", "detail"),
    [
        ([line("TEA"), line("CUP"), line("TEA")], "TEA is on more than one line"),
        ([line("TEA"), line("NEVER")], "Not sold here: NEVER"),
        ([line("OLD")], "Not sold here: OLD"),
        ([line("TEA"), line("BOOK")], "this one has EUR, USD"),
        ([line("CASTLE", quantity=1000)], "this one is 1000000000000000"),
    ],
    ids=["one SKU twice", "an unknown SKU", "one no longer sold", "two currencies", "a total that is too large"],
)
async def test_an_order_that_breaks_a_rule_is_refused_with_the_rule(
    ada: Customer, database: Database, lines: list[dict[str, Any]], detail: str
) -> None:
    await deliver(
        database,
        product("OLD", "Old tea", active=False),
        product("BOOK", "Of tea", currency="USD"),
        product("CASTLE", "A castle", 10**12),
    )

    problem = assert_problem(await ada.place(*lines), 422)

    assert problem["title"] == "Order refused"
    assert detail in problem["detail"]
    await assert_nothing_stored(database, ada)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400),
        (b"not json", 400),
        (b'{"lines": "\xff"}', 400),
        (b"[" * 100_000, 400),
        (b'{"lines": ' + b"9" * 5_000 + b"}", 400),
        (b'{"lines": "' + b"x" * 2**20 + b'"}', 413),
    ],
    ids=["cut off", "no JSON", "no UTF-8", "100,000 lists deep", "a number of 5,000 digits", "more than 1 MiB"],
)
async def test_a_body_that_cannot_be_read_is_refused(ada: Customer, content: bytes, status: int) -> None:
    headers = {"Idempotency-Key": "once", "Content-Type": "application/json"}

    assert_problem(await ada.http.post("/orders", content=content, headers=headers), status)


async def test_a_body_of_another_media_type_is_refused(ada: Customer) -> None:
    headers = {"Idempotency-Key": "once", "Content-Type": "text/plain"}

    assert_problem(await ada.http.post("/orders", content=json.dumps({"lines": [line()]}), headers=headers), 415)


BAD_KEYS = {
    "none": [],
    "an empty one": [("Idempotency-Key", "")],
    "256 characters": [("Idempotency-Key", "k" * 256)],
    "a space inside": [("Idempotency-Key", "a b")],
    "NUL": [("Idempotency-Key", "a\0b")],
    "not ASCII": [("Idempotency-Key", "ключ".encode())],
    "two keys": [("Idempotency-Key", "a"), ("Idempotency-Key", "b")],
}


@pytest.mark.parametrize("headers", BAD_KEYS.values(), ids=BAD_KEYS.keys())
async def test_an_order_without_one_good_idempotency_key_is_refused(
    ada: Customer, database: Database, headers: list[tuple[str, Any]]
) -> None:
    problem = assert_problem(await ada.http.post("/orders", json={"lines": [line()]}, headers=headers), 400)

    assert problem["title"] == "Idempotency-Key needed"
    await assert_nothing_stored(database, ada)


@pytest.mark.parametrize("key", ["k", "k" * 255, '"8e03978e-40d5-43e8-bc93-6894a57f9324"', "!#$%&'*+-.^_`|~"])
async def test_every_visible_ascii_character_may_be_in_a_key(ada: Customer, key: str) -> None:
    assert (await ada.place(key=key)).status_code == 201


BAD_REASONS = {
    "NUL": "a\0b",
    "a line break": "a\nb",
    "nothing that is seen": "\u200b",
    "backwards": "a\u202eb",
    "half a character": "\ud800",
}


async def test_a_bad_reason_is_refused_and_the_order_stays(ada: Customer) -> None:
    path = await ada.placed()
    headers = {"Content-Type": "application/json"}
    for case, reason in BAD_REASONS.items():
        body = json.dumps({"reason": reason})

        answer = await ada.http.post(f"{path}/cancellation", content=body, headers=headers)

        assert answer.status_code == 422, case
    assert (await ada.http.get(path)).json()["status"] == "placed"


def cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


async def test_a_cursor_that_was_not_given_is_refused(ada: Customer) -> None:
    for given in ("x", "", "\u00e9", cursor("{"), cursor('"no-uuid"'), cursor(f'["{SOME_ID}"]')):
        assert (await ada.http.get("/orders", params={"cursor": given})).status_code == 400, given


async def test_a_bad_query_is_refused(ada: Customer) -> None:
    for query in ({"cursor": "\0"}, {"limit": "9" * 5_000}):
        assert_problem(await ada.http.get("/orders", params=query), 422)


@pytest.mark.parametrize("order_id", ["1", "x" * 1_000, "%00", "0190f3e4-0000-7000-8000-00000000000g"], ids=str)
async def test_an_id_that_is_no_uuid_is_refused(ada: Customer, order_id: str) -> None:
    assert_problem(await ada.http.get(f"/orders/{order_id}"), 422)
    assert_problem(await ada.http.get(f"/orders/{order_id}/history"), 422)
    assert_problem(await ada.http.post(f"/orders/{order_id}/cancellation"), 422)


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("POST", "/orders", "orders/read"),
        ("POST", f"/orders/{SOME_ID}/cancellation", "orders/read"),
        ("GET", "/orders", "orders/write"),
        ("GET", f"/orders/{SOME_ID}", "orders/write"),
        ("GET", f"/orders/{SOME_ID}/history", "orders/write"),
    ],
)
async def test_each_operation_wants_a_token_with_its_scope(
    make_customer: Callable[..., Customer], tokens: Issuer, method: str, path: str, scope: str
) -> None:
    eve = make_customer("eve", scope)
    forms = {
        "no token": "",
        "an expired token": f"Bearer {tokens.token(expires_in_seconds=-60)}",
        "a token signed by somebody else": f"Bearer {tokens.foreign_token()}",
    }

    problem = assert_problem(await eve.http.request(method, path), 403)
    assert problem["title"] == "Forbidden"
    for authorization in forms.values():
        answer = await eve.http.request(method, path, headers={"Authorization": authorization})
        assert_problem(answer, 401)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_what_nobody_declared_is_not_there(ada: Customer) -> None:
    assert_problem(await ada.http.get("/orders/"), 404)
    assert_problem(await ada.http.delete("/orders"), 405)
