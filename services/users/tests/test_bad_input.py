"""Whatever is sent, the answer is a problem that says what is wrong, and the password is not in it."""

import json
import time
from typing import Any

import pytest

from .people import PASSWORD, Person

pytestmark = pytest.mark.asyncio(loop_scope="session")

SIGN_UP = {"email": "ada@example.com", "password": PASSWORD, "name": "Ada"}
NUL, LONE_SURROGATE = "\x00", "\ud800"


def assert_problem(answer: Any, status: int, *pointers: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert [error["pointer"] for error in answer.json().get("errors", [])] == list(pointers)


NAMES = {
    "blank": " ",
    "NUL": f"Ada{NUL}",
    "half a character": LONE_SURROGATE,
    "invisible spaces": "\u200b\u200b",
    "a filler of Hangul": "\u3164",
    "shown backwards": "Ada\u202ecod.exe",
    "a line separator": "Ada\u2028Lovelace",
    "a control character": "Ada\u0085",
}
"""Which no schema excludes."""
SECRETS = {
    "a number": 123456789012,
    "a list": [PASSWORD],
    "a short one": "short-Horse",
    "a long one": PASSWORD + "x" * 256,
    "NUL": PASSWORD + NUL,
    "half a character": PASSWORD + LONE_SURROGATE,
}
"""Schemathesis sends such ones, too; but not the word that must not come back."""
ADDRESSES = {
    "none": "ada",
    "NUL": f"ada{NUL}@example.com",
    "half a character": f"{LONE_SURROGATE}@example.com",
    "a long domain": f"ada@{'a.' * 60}example.com",
}


@pytest.mark.parametrize(("field", "bad"), [("name", NAMES), ("password", SECRETS), ("email", ADDRESSES)])
async def test_a_wrong_field_of_a_sign_up_is_pointed_at(ada: Person, field: str, bad: dict[str, Any]) -> None:
    for value in bad.values():
        body = json.dumps(SIGN_UP | {field: value})

        answer = await ada.http.post("/users", content=body, headers={"Content-Type": "application/json"})

        assert_problem(answer, 422, f"/body/{field}")
        assert "Horse" not in answer.text


UNREADABLE: dict[str, tuple[bytes, str, int]] = {
    "nothing": (b"", "application/json", 422),
    "no JSON": (b"{", "application/json", 400),
    "no UTF-8": (b"\xff\xfe", "application/json", 400),
    "100,000 lists deep": (b"[" * 100_000, "application/json", 400),
    "text": (json.dumps(SIGN_UP).encode(), "text/plain", 415),
    "more than 1 MiB": (b"x" * (1024 * 1024 + 1), "application/json", 413),
}


@pytest.mark.parametrize(("method", "path"), [("POST", "/users"), ("PATCH", "/users/me")])
async def test_what_is_no_json_object_is_a_problem(ada: Person, method: str, path: str) -> None:
    ada.hold_token("ada")
    for case, (body, content_type, status) in UNREADABLE.items():
        answer = await ada.http.request(method, path, content=body, headers={"Content-Type": content_type})

        assert answer.status_code == status, case
        assert answer.headers["Content-Type"] == "application/problem+json", case


async def test_a_wrong_name_in_a_change_is_pointed_at(ada: Person) -> None:
    ada.hold_token("ada")
    headers = {"Content-Type": "application/json", "If-Match": '"1"'}
    for name in NAMES.values():
        answer = await ada.http.patch("/users/me", content=json.dumps({"name": name}), headers=headers)

        assert_problem(answer, 422, "/body/name")


@pytest.mark.parametrize("method", ["GET", "PATCH"])
async def test_without_a_good_token_nobody_is_let_in(ada: Person, method: str) -> None:
    good = ada.token("ada")
    refused = [
        None,
        "Basic YWRhOmFkYQ==",
        f"Bearer {good[:-8]}AAAAAAAA",
        f"Bearer {ada.token('ada', exp=int(time.time()) - 60)}",
        f"Bearer {ada.token('ada', iss='https://elsewhere.example')}",
        f"Bearer {ada.token('ada', client_id='another')}",
        f"Bearer {ada.issuer.foreign_token('ada', ('users/read', 'users/write'))}",
    ]
    for authorization in refused:
        headers = {} if authorization is None else {"Authorization": authorization}
        answer = await ada.http.request(method, "/users/me", json={"name": "Ada"}, headers=headers)
        assert_problem(answer, 401)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_each_scope_lets_its_own_operation_through_and_not_the_other(ada: Person) -> None:
    ada.hold_token("ada", "users/write")
    assert_problem(await ada.read(), 403)
    assert (await ada.change(name="Ada")).status_code == 404

    ada.hold_token("ada", "users/read")
    assert_problem(await ada.change(name="Ada"), 403)
    assert (await ada.read()).status_code == 404


async def test_what_is_not_offered_is_a_problem(ada: Person) -> None:
    assert_problem(await ada.http.get("/users/someone-else"), 404)
    assert_problem(await ada.http.delete("/users/me"), 405)
