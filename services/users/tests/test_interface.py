"""The OpenAPI document: committed as it is served, and true."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import schemathesis
from chassis.app import create_app
from hypothesis import given
from hypothesis import settings as effort
from schemathesis import GenerationMode
from schemathesis.python.asgi import shutdown_lifespans
from schemathesis.specs.openapi.checks import positive_data_acceptance
from users.bootstrap import UsersSettings

from tests.hostile import assert_nothing_breaks

from .conftest import without_relay
from .people import Person

COMMITTED = Path(__file__).parent.parent / "openapi.json"
VALID, INVALID = GenerationMode.POSITIVE, GenerationMode.NEGATIVE


@pytest.fixture(scope="module")
def interface(settings: UsersSettings) -> Iterator[Any]:
    yield schemathesis.openapi.from_asgi("/openapi.json", create_app(without_relay(settings)))
    shutdown_lifespans()


@pytest_asyncio.fixture(loop_scope="session")
async def headers(ada: Person) -> dict[str, str]:
    """Of a person who has a profile."""
    return {"Authorization": f"Bearer {ada.token(await ada.signed_up())}"}


@pytest.mark.asyncio(loop_scope="session")
async def test_the_committed_document_is_the_one_that_is_served(ada: Person) -> None:
    assert (await ada.http.get("/openapi.json")).json() == json.loads(COMMITTED.read_text())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "method", "mode"),
    [
        ("/users", "POST", VALID),
        ("/users", "POST", INVALID),
        ("/users/me", "GET", VALID),  # it has no input that could be invalid
        ("/users/me", "PATCH", VALID),
        ("/users/me", "PATCH", INVALID),
    ],
)
def test_every_answer_is_one_that_the_document_describes(
    interface: Any, headers: dict[str, str], path: str, method: str, mode: GenerationMode
) -> None:
    @effort(max_examples=20, deadline=None, derandomize=True)
    @given(interface[path][method].as_strategy(mode))
    def check(case: schemathesis.Case[Any]) -> None:
        # That an address can get mail, a password meets the rules and an ETag is the present one is more than a
        # schema can say.
        case.call_and_validate(headers=headers, excluded_checks=[positive_data_acceptance])

    check()


@pytest.mark.asyncio(loop_scope="session")
async def test_good_answers_are_what_the_document_describes(ada: Person, interface: Any) -> None:
    answer = await ada.sign_up()
    interface["/users"]["POST"].validate_response(answer)
    ada.hold_token(answer.json()["id"])
    interface["/users/me"]["GET"].validate_response(await ada.read())
    interface["/users/me"]["PATCH"].validate_response(await ada.change(name="Ada King"))


@pytest.mark.slow
def test_no_request_breaks_it_however_it_is_written(settings: UsersSettings, headers: dict[str, str]) -> None:
    token = headers["Authorization"].removeprefix("Bearer ")

    assert_nothing_breaks(create_app(without_relay(settings)), token)
