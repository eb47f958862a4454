"""Whatever is sent to the REST interface, the answer is a clear problem and nothing is stored."""

import base64
import json
from typing import Any

import httpx

from tests.tokens import Issuer

from .shops import Shop, content

UNFIT: dict[str, tuple[Any, str]] = {
    "a name of two lines": (content(name="a\nb"), "/body/name"),
    "NUL in a name": (content(name="a\0"), "/body/name"),
    "half a character": (content(name="\ud800"), "/body/name"),
    "NUL in a description": (content(description="a\0"), "/body/description"),
    "a name of nothing that is seen": (content(name="\u200b"), "/body/name"),
    "a name that is shown backwards": (content(name="tea \u202egnp.eet"), "/body/name"),
    "a line separator in a name": (content(name="tea\u2028for two"), "/body/name"),
    "a description that is shown backwards": (content(description="tea\n\u202egnp.eet"), "/body/description"),
    "a bell in a description": (content(description="\a"), "/body/description"),
    "a category with a line break": (content(category="tea\n"), "/body/category"),
    "a price with a fraction": (content(list_price={"amount": 1.5, "currency": "EUR"}), "/body/list_price/amount"),
    "active as a number": (content(active=1), "/body/active"),
}


def assert_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    return problem


async def test_content_that_does_not_fit_the_schema_is_refused_with_the_place(shop: Shop) -> None:
    """What JSON can write and the generated requests of test_interface.py do not; and that the place is named."""
    headers = {"Content-Type": "application/json"}
    for case, (body, pointer) in UNFIT.items():
        answer = await shop.staff.put(f"/products/{shop.sku()}", content=json.dumps(body), headers=headers)

        assert [error["pointer"] for error in assert_problem(answer, 422)["errors"]] == [pointer], case
    assert (await shop.get()).status_code == 404
    assert await shop.events() == []


async def test_what_is_no_sku_is_refused(shop: Shop) -> None:
    for sku in ("-TEA", "TEA%0A", "TEA%00", "%D9%A3", "A_B"):
        assert (await shop.public.get(f"/products/{sku}")).status_code == 422, sku
        assert (await shop.staff.put(f"/products/{sku}", json=content())).status_code == 422, sku


def cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


async def test_a_cursor_that_was_not_given_is_refused(shop: Shop) -> None:
    keys = ("{", "1", '"tea"', '"TEA\\u0000"', '"TEA\\n"')
    for given in ("", "x", "é", *map(cursor, keys)):
        assert (await shop.public.get("/products", params={"cursor": given})).status_code == 400, given


async def test_nul_in_a_search_is_refused(shop: Shop) -> None:
    assert_problem(await shop.public.get("/products", params={"search": "a\0b"}), 422)


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
