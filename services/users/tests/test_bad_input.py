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


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"admin": True}, "/body/admin"),
        ({"email": None}, "/body/email"),
        ({"email": 1}, "/body/email"),
        ({"email": "ada"}, "/body/email"),
        ({"email": f"ada{NUL}@example.com"}, "/body/email"),
        ({"email": f"{LONE_SURROGATE}@example.com"}, "/body/email"),
        ({"email": f"ada@{'a.' * 60}example.com"}, "/body/email"),
        ({"password": None}, "/body/password"),
        ({"password": 123456789012}, "/body/password"),
        ({"password": [PASSWORD]}, "/body/password"),
        ({"password": "short-Horse"}, "/body/password"),
        ({"password": PASSWORD + "x" * 256}, "/body/password"),
        ({"password": PASSWORD + NUL}, "/body/password"),
        ({"password": PASSWORD + LONE_SURROGATE}, "/body/password"),
        ({"name": None}, "/body/name"),
        ({"name": {}}, "/body/name"),
        ({"name": ""}, "/body/name"),
        ({"name": " "}, "/body/name"),
        ({"name": "x" * 101}, "/body/name"),
        ({"name": f"Ada{NUL}"}, "/body/name"),
        ({"name": LONE_SURROGATE}, "/body/name"),
        ({"name": "\u200b\u200b"}, "/body/name"),
        ({"name": "\u3164"}, "/body/name"),
        ({"name": "Ada\u202ecod.exe"}, "/body/name"),
        ({"name": "Ada\u2028Lovelace"}, "/body/name"),
        ({"name": "Ada\u0085"}, "/body/name"),
    ],
)
async def test_a_wrong_field_of_a_sign_up_is_pointed_at(ada: Person, changes: dict[str, Any], pointer: str) -> None:
    body = json.dumps(SIGN_UP | changes)

    answer = await ada.http.post("/users", content=body, headers={"Content-Type": "application/json"})

    assert_problem(answer, 422, pointer)
    assert "Horse" not in answer.text


@pytest.mark.parametrize("field", ["email", "password", "name"])
async def test_a_missing_field_of_a_sign_up_is_pointed_at(ada: Person, field: str) -> None:
    body = {name: value for name, value in SIGN_UP.items() if name != field}

    assert_problem(await ada.http.post("/users", json=body), 422, f"/body/{field}")


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"", "application/json", 422),
        (b"{", "application/json", 400),
        (b"[]", "application/json", 422),
        (b"null", "application/json", 422),
        (b"\xff\xfe", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (json.dumps(SIGN_UP).encode(), "text/plain", 415),
        (b"x" * (1024 * 1024 + 1), "application/json", 413),
    ],
    ids=["nothing", "no JSON", "a list", "null", "no UTF-8", "deep", "text", "a megabyte"],
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/users"), ("PATCH", "/users/me")])
async def test_what_is_no_json_object_is_a_problem(
    ada: Person, method: str, path: str, body: bytes, content_type: str, status: int
) -> None:
    ada.hold_token("ada")

    answer = await ada.http.request(method, path, content=body, headers={"Content-Type": content_type})

    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"email": "bob@example.com"}, "/body/email"),
        ({"name": 1}, "/body/name"),
        ({"name": "x" * 101}, "/body/name"),
        ({"name": f"Ada{NUL}"}, "/body/name"),
        ({"name": LONE_SURROGATE}, "/body/name"),
        ({"name": "\u200b\u200b"}, "/body/name"),
        ({"name": "\u3164"}, "/body/name"),
        ({"name": "Ada\u202ecod.exe"}, "/body/name"),
        ({"name": "Ada\u2028Lovelace"}, "/body/name"),
        ({"name": "Ada\u0085"}, "/body/name"),
    ],
)
async def test_a_wrong_field_of_a_change_is_pointed_at(ada: Person, changes: dict[str, Any], pointer: str) -> None:
    ada.hold_token("ada")
    headers = {"Content-Type": "application/json", "If-Match": '"1"'}

    answer = await ada.http.patch("/users/me", content=json.dumps({"name": "Ada"} | changes), headers=headers)

    assert_problem(answer, 422, pointer)


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
