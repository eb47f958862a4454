"""Whatever is sent, the answer is a problem that says what is wrong."""

import base64
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.tokens import Issuer

from .people import Person

pytestmark = pytest.mark.asyncio(loop_scope="session")


def assert_problem(answer: httpx.Response, status: int, *pointers: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert [error["pointer"] for error in answer.json().get("errors", [])] == list(pointers)


async def test_a_wrong_parameter_is_pointed_at(ada: Person) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"kind": "order.eaten"}, "/query/kind"),
        ({"limit": "1" * 5000}, "/query/limit"),
        ({"kind": "\x00"}, "/query"),
    ]
    for query, pointer in wrong:
        assert_problem(await ada.read(**query), 422, pointer)


ENTRY = "019a0000-0000-7000-8000-000000000001"


async def test_a_forged_cursor_is_refused(ada: Person) -> None:
    for key in (
        b"",
        b"\xff",
        b"{}",
        b"[]",
        b"[1]",
        f'["2026-01-02T12:00:00Z", "{ENTRY}", 1]'.encode(),
        f'["2026-01-02T12:00:00Z", "{ENTRY[:-1]}"]'.encode(),
        f'["2026-01-02T12:00:00", "{ENTRY}"]'.encode(),
        f'["0001-01-01T00:00:00+14:00", "{ENTRY}"]'.encode(),
        f'["9999-12-31T23:59:59-14:00", "{ENTRY}"]'.encode(),
        f'[1e400, "{ENTRY}"]'.encode(),
        b"[" * 700,
    ):
        cursor = base64.urlsafe_b64encode(key).decode().rstrip("=")
        assert (await ada.read(cursor=cursor)).status_code == 400, key


async def test_what_is_no_cursor_is_refused(ada: Person) -> None:
    for cursor in ("", "a", "ä", "...", "%"):
        assert (await ada.read(cursor=cursor)).status_code == 400, cursor


async def test_without_a_good_token_nobody_is_let_in(ada: Person, tokens: Issuer) -> None:
    scopes = ["notifications/read"]
    refused = [
        "Basic YWRhOmFkYQ==",
        "Bearer x.y.z",
        f"Bearer {tokens.token('ada', scopes, expires_in_seconds=-60)}",
        f"Bearer {tokens.foreign_token('ada', scopes)}",
        f"Bearer {tokens.token('ada', scopes, iss='https://elsewhere.example')}",
        f"Bearer {tokens.token('ada', scopes, client_id='another')}",
    ]
    for authorization in refused:
        answer = await ada.http.get("/notifications", headers={"Authorization": authorization})
        assert_problem(answer, 401)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    del ada.http.headers["Authorization"]
    assert_problem(await ada.read(), 401)


async def test_a_token_for_other_services_opens_no_log(make_person: Callable[..., Person]) -> None:
    assert_problem(await make_person("eve", "orders/read", "users/read").read(), 403)


async def test_what_is_not_offered_is_a_problem(ada: Person) -> None:
    assert_problem(await ada.http.get("/notifications/1"), 404)
    assert_problem(await ada.http.post("/notifications", json={}), 405)
