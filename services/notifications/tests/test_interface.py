"""The OpenAPI document: committed as it is served, and true."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from chassis.app import create_app
from chassis.table import Table
from hypothesis import given
from hypothesis import settings as effort
from notifications.bootstrap import NotificationsSettings, service
from schemathesis import GenerationMode
from schemathesis.python.asgi import shutdown_lifespans
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.hostile import assert_nothing_breaks
from tests.tokens import Issuer

from .people import Person, placed, record, signed_up

COMMITTED = Path(__file__).parent.parent / "openapi.json"


@pytest.fixture(scope="module")
def interface(settings: NotificationsSettings) -> Iterator[Any]:
    yield schemathesis.openapi.from_asgi("/openapi.json", create_app(replace(service(settings), workers=())))
    shutdown_lifespans()


@pytest.mark.asyncio(loop_scope="session")
async def test_the_committed_document_is_the_one_that_is_served(ada: Person) -> None:
    assert (await ada.http.get("/openapi.json")).json() == json.loads(COMMITTED.read_text())


@pytest.mark.slow
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["valid", "invalid"])
def test_every_answer_is_one_that_the_document_describes(interface: Any, tokens: Issuer, mode: GenerationMode) -> None:
    token = tokens.token("eve", ["notifications/read"])

    @effort(max_examples=30, deadline=None, derandomize=True)
    @given(interface["/notifications"]["GET"].as_strategy(mode))
    def check(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(
            headers={"Authorization": f"Bearer {token}"},
            # That a cursor must be one that was given out is more than a schema can say.
            excluded_checks=[positive_data_acceptance],
        )

    check()


@pytest.mark.asyncio(loop_scope="session")
async def test_a_log_with_entries_is_what_the_document_describes(ada: Person, table: Table, interface: Any) -> None:
    await record(table, signed_up(ada), placed(ada, "o-1"))

    answer = await ada.read(limit=1)

    interface["/notifications"]["GET"].validate_response(answer)


@pytest.mark.slow
def test_no_request_breaks_it_however_it_is_written(settings: NotificationsSettings, tokens: Issuer) -> None:
    app = create_app(replace(service(settings), workers=()))

    assert_nothing_breaks(app, tokens.token("eve", ["notifications/read"]))
