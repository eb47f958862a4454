"""Whatever is sent, the answer is a clear problem and nothing is stored."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.tokens import Issuer

from .warehouse import STAFF, Warehouse

BOTH = ("inventory/read", "inventory/write")


def assert_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    return problem


UNFIT: dict[str, tuple[Any, str]] = {
    "an empty body": (None, "/body"),
    "an unknown member": ({"on_hand": 1, "reserved": 0}, "/body/reserved"),
    "a number of 4000 digits": ({"on_hand": 10**3999}, "/body/on_hand"),
    "a whole fraction": ({"on_hand": 1.0}, "/body/on_hand"),
    "a truth value": ({"on_hand": True}, "/body/on_hand"),
    "no number": ({"on_hand": float("nan")}, "/body/on_hand"),
}


async def test_stock_that_does_not_fit_the_schema_is_refused_with_the_place(
    staff: httpx.AsyncClient, warehouse: Warehouse
) -> None:
    """What JSON can write and the generated requests of test_interface.py do not; and that the place is named."""
    for case, (body, pointer) in UNFIT.items():
        content = b"" if body is None else json.dumps(body).encode()

        answer = await staff.put("/stock/TEA", content=content, headers={"Content-Type": "application/json"})

        assert [error["pointer"] for error in assert_problem(answer, 422)["errors"]] == [pointer], case
    assert await warehouse.all_stock() == {}


async def test_what_is_no_sku_is_refused(staff: httpx.AsyncClient) -> None:
    for sku in ("tea", "-TEA", "A" * 65, "TEA%0A", "TEA%20", "TEA%00", "%D9%A3", "TEA_1"):
        assert (await staff.get(f"/stock/{sku}")).status_code == 422, sku
        assert (await staff.put(f"/stock/{sku}", json={"on_hand": 1})).status_code == 422, sku
        assert (await staff.get(f"/internal/stock?sku={sku}")).status_code == 422, sku


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"on_hand": "\xff"}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"on_hand": "' + b"x" * 2**20 + b'"}', "application/json", 413),
        (b'{"on_hand": 1}', "text/plain", 415),
    ],
    ids=["cut off", "no UTF-8", "100,000 lists deep", "more than 1 MiB", "another media type"],
)
async def test_a_body_that_cannot_be_read_is_refused(
    staff: httpx.AsyncClient, content: bytes, media_type: str, status: int
) -> None:
    assert_problem(await staff.put("/stock/TEA", content=content, headers={"Content-Type": media_type}), status)


@pytest.mark.parametrize(("method", "scope"), [("GET", "inventory/write"), ("PUT", "inventory/read")])
async def test_each_operation_wants_a_token_with_its_scope(
    make_client: Callable[..., httpx.AsyncClient], tokens: Issuer, method: str, scope: str
) -> None:
    eve = make_client(scope, **STAFF)
    forms = {
        "no token": "",
        "an expired token": f"Bearer {tokens.token(scopes=BOTH, expires_in_seconds=-60, **STAFF)}",
        "a token signed by somebody else": f"Bearer {tokens.foreign_token(scopes=BOTH)}",
    }

    assert_problem(await eve.request(method, "/stock/TEA", json={"on_hand": 1}), 403)
    for authorization in forms.values():
        answer = await eve.request(method, "/stock/TEA", json={"on_hand": 1}, headers={"Authorization": authorization})
        assert_problem(answer, 401)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("groups", [{}, {"cognito:groups": []}, {"cognito:groups": ["customers"]}], ids=str)
async def test_only_the_staff_may_change_stock(
    make_client: Callable[..., httpx.AsyncClient], warehouse: Warehouse, groups: dict[str, Any]
) -> None:
    customer = make_client(*BOTH, **groups)

    assert_problem(await customer.put("/stock/TEA", json={"on_hand": 1}), 403)
    assert await warehouse.all_stock() == {}


async def test_what_nobody_declared_is_not_there(staff: httpx.AsyncClient) -> None:
    assert_problem(await staff.get("/stock"), 404)
    assert_problem(await staff.delete("/stock/TEA"), 405)
    assert_problem(await staff.put("/internal/stock", json={}), 405)
