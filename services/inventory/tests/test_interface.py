"""The OpenAPI document: committed as it is served, and true."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from chassis.app import create_app
from hypothesis import given
from hypothesis import settings as effort
from inventory.bootstrap import InventorySettings, service
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.hostile import assert_nothing_breaks
from tests.tokens import Issuer

from .warehouse import STAFF

COMMITTED = Path(__file__).parent.parent / "openapi.json"
OPERATIONS = [
    (path, method) for path, operations in json.loads(COMMITTED.read_text())["paths"].items() for method in operations
]


async def test_the_committed_document_is_the_one_that_is_served(staff: httpx.AsyncClient) -> None:
    assert (await staff.get("/openapi.json")).json() == json.loads(COMMITTED.read_text())


def test_the_document_tells_of_what_the_gateway_routes_and_of_nothing_else() -> None:
    assert OPERATIONS == [("/stock/{sku}", "get"), ("/stock/{sku}", "put")]


@pytest.mark.slow
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["valid", "invalid"])
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_every_answer_is_one_that_the_document_describes(
    settings: InventorySettings, tokens: Issuer, path: str, method: str, mode: GenerationMode
) -> None:
    interface = schemathesis.openapi.from_asgi("/openapi.json", create_app(replace(service(settings), workers=())))
    token = tokens.token("eve", ["inventory/read", "inventory/write"], **STAFF)

    @effort(max_examples=10, deadline=None, derandomize=True)
    @given(interface[path][method].as_strategy(mode))
    def check(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(
            headers={"Authorization": f"Bearer {token}"},
            # That an integer is written without a fraction, not even .0, is more than a schema can say.
            excluded_checks=[positive_data_acceptance],
        )

    check()


@pytest.mark.slow
def test_no_request_breaks_it_however_it_is_written(settings: InventorySettings, tokens: Issuer) -> None:
    app = create_app(replace(service(settings), workers=()))

    assert_nothing_breaks(app, tokens.token("eve", ["inventory/read", "inventory/write"], **STAFF))
