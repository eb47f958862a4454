"""Whatever is sent to the REST interface, the answer is a clear problem and nothing is stored."""

import base64
import json
from typing import Any

import httpx
import pytest

from tests.tokens import Issuer

from .shops import Shop, content

UNFIT: dict[str, tuple[Any, str]] = {
    "a list": ([], "/body"),
    "no name": ({key: value for key, value in content().items() if key != "name"}, "/body/name"),
    "an empty name": (content(name=""), "/body/name"),
    "a name of 201 characters": (content(name="x" * 201), "/body/name"),
    "a name of two lines": (content(name="a\nb"), "/body/name"),
    "NUL in a name": (content(name="a\0"), "/body/name"),
    "half a character": (content(name="\ud800"), "/body/name"),
    "a description of 5001 characters": (content(description="x" * 5_001), "/body/description"),
    "NUL in a description": (content(description="a\0"), "/body/description"),
    "a name of nothing that is seen": (content(name="\u200b"), "/body/name"),
    "a name that is shown backwards": (content(name="tea \u202egnp.eet"), "/body/name"),
    "a line separator in a name": (content(name="tea\u2028for two"), "/body/name"),
    "a description that is shown backwards": (content(description="tea\n\u202egnp.eet"), "/body/description"),
    "a bell in a description": (content(description="\a"), "/body/description"),
    "a category in capitals": (content(category="Tea"), "/body/category"),
    "a category with a line break": (content(category="tea\n"), "/body/category"),
    "a category of 65 characters": (content(category="t" * 65), "/body/category"),
    "a negative price": (content(list_price={"amount": -1, "currency": "EUR"}), "/body/list_price/amount"),
    "a price above the largest": (
        content(list_price={"amount": 10**12 + 1, "currency": "EUR"}),
        "/body/list_price/amount",
    ),
    "a price with a fraction": (content(list_price={"amount": 1.5, "currency": "EUR"}), "/body/list_price/amount"),
    "a currency in small letters": (content(list_price={"amount": 1, "currency": "eur"}), "/body/list_price/currency"),
    "active as text": (content(active="yes"), "/body/active"),
    "active as a number": (content(active=1), "/body/active"),
    "a version": (content(version=1), "/body/version"),
}


def assert_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    return problem


@pytest.mark.parametrize(("body", "pointer"), UNFIT.values(), ids=UNFIT.keys())
async def test_content_that_does_not_fit_the_schema_is_refused_with_the_place(
    shop: Shop, body: Any, pointer: str
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await shop.staff.put(f"/products/{shop.sku()}", content=json.dumps(body), headers=headers)

    assert [error["pointer"] for error in assert_problem(answer, 422)["errors"]] == [pointer]
    assert (await shop.get()).status_code == 404
    assert await shop.events() == []


@pytest.mark.parametrize("sku", ["tea", "-TEA", "T" * 65, "TEA%0A", "TEA%00", "%D9%A3", "A_B"])
async def test_what_is_no_sku_is_refused(shop: Shop, sku: str) -> None:
    assert_problem(await shop.public.get(f"/products/{sku}"), 422)
    assert_problem(await shop.staff.put(f"/products/{sku}", json=content()), 422)


def cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"search": ""}, 422),
        ({"search": "x" * 201}, 422),
        ({"search": "a\0b"}, 422),
        ({"category": "Tea"}, 422),
        ({"category": ""}, 422),
        ({"limit": "0"}, 422),
        ({"limit": "101"}, 422),
        ({"limit": "many"}, 422),
        ({"cursor": ""}, 400),
        ({"cursor": "x"}, 400),
        ({"cursor": "é"}, 400),
        ({"cursor": cursor("{")}, 400),
        ({"cursor": cursor("1")}, 400),
        ({"cursor": cursor('"tea"')}, 400),
        ({"cursor": cursor('"TEA\\u0000"')}, 400),
        ({"cursor": cursor('"TEA\\n"')}, 400),
        ({"cursor": "a" * 2_000}, 422),
    ],
    ids=str,
)
async def test_a_bad_query_is_refused(shop: Shop, query: dict[str, str], status: int) -> None:
    assert_problem(await shop.public.get("/products", params=query), status)


async def test_only_the_staff_with_the_scope_may_change_products(shop: Shop, tokens: Issuer) -> None:
    staff: dict[str, Any] = {"cognito:groups": ["staff"]}
    refused = {
        "no token": ("", 401),
        "a customer who asked for the scope": (f"Bearer {tokens.token('eve', ['catalog/write'])}", 403),
        "staff without the scope": (f"Bearer {tokens.token('ada', ['catalog/read'], **staff)}", 403),
        "staff whose token has expired": (
            f"Bearer {tokens.token('ada', ['catalog/write'], expires_in_seconds=-60, **staff)}",
            401,
        ),
        "a token signed by somebody else": (f"Bearer {tokens.foreign_token('ada', ['catalog/write'])}", 401),
    }

    for authorization, status in refused.values():
        answer = await shop.public.put(
            f"/products/{shop.sku()}", json=content(), headers={"Authorization": authorization}
        )
        assert_problem(answer, status)
    assert (await shop.get()).status_code == 404


async def test_what_nobody_declared_is_not_there(shop: Shop) -> None:
    assert_problem(await shop.public.get("/products/"), 404)
    assert_problem(await shop.staff.delete(f"/products/{shop.sku()}"), 405)
    assert_problem(await shop.staff.post("/products", json=content()), 405)
