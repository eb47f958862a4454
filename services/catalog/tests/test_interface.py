"""The OpenAPI document and the GraphQL schema: committed as they are served, and true."""

import asyncio
import gc
import json
import time
import warnings
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from catalog.bootstrap import CatalogSettings, service
from catalog.storefront.schema import schema
from chassis.app import create_app
from hypothesis import given
from hypothesis import settings as effort
from hypothesis_graphql import Mode, queries
from schemathesis import GenerationMode
from schemathesis.python.asgi import shutdown_lifespans
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.hostile import assert_nothing_breaks
from tests.tokens import Issuer

from .shops import Shop, opened

FOLDER = Path(__file__).parent.parent
DOCUMENT = FOLDER / "openapi.json"
SDL = (FOLDER / "schema.graphql").read_text()
OPERATIONS = [
    (path, method) for path, operations in json.loads(DOCUMENT.read_text())["paths"].items() for method in operations
]
MAX_CPU_SECONDS = 10.0
"""A query has 5 s to execute; the rest is for a machine that runs other tests."""


@pytest.fixture(scope="module")
def app(settings: CatalogSettings) -> Iterator[Any]:
    """The service, with nobody there whom it could ask for prices and stock."""
    yield create_app(replace(service(settings), workers=()))
    shutdown_lifespans()


async def test_the_committed_document_is_the_one_that_is_served(shop: Shop) -> None:
    assert (await shop.public.get("/openapi.json")).json() == json.loads(DOCUMENT.read_text())


def test_the_committed_graphql_schema_is_the_one_that_is_served() -> None:
    assert schema.as_str() + "\n" == SDL


@pytest.mark.slow
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["valid", "invalid"])
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_every_answer_is_one_that_the_document_describes(
    app: Any, tokens: Issuer, path: str, method: str, mode: GenerationMode
) -> None:
    interface = schemathesis.openapi.from_asgi("/openapi.json", app)
    of_staff: dict[str, Any] = {"cognito:groups": ["staff"]}
    token = tokens.token("eve", ["catalog/write"], **of_staff)

    @effort(max_examples=15, deadline=None, derandomize=True)
    @given(interface[path][method].as_strategy(mode))
    def check(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(
            headers={"Authorization": f"Bearer {token}"},
            # That a cursor was given out and a text is GraphQL is more than a schema can say.
            excluded_checks=[positive_data_acceptance],
        )

    check()


@pytest.mark.slow
@pytest.mark.parametrize("field", ["product", "products"])
def test_schemathesis_finds_no_query_that_breaks_the_service(app: Any, field: str) -> None:
    interface = schemathesis.graphql.from_file(SDL)
    interface.app, interface.location = app, "/graphql"

    @effort(max_examples=30, deadline=None, derandomize=True)
    @given(interface["Query"][field].as_strategy())
    def check(case: schemathesis.Case[Any]) -> None:
        answer = case.call()
        assert answer.status_code in (200, 400), answer.text
        assert answer.json().keys() <= {"data", "errors"}

    check()


@pytest.mark.slow
@pytest.mark.parametrize("mode", [Mode.POSITIVE, Mode.NEGATIVE], ids=["valid", "invalid"])
def test_whatever_is_asked_is_answered_in_time(settings: CatalogSettings, tokens: Issuer, mode: Mode) -> None:
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        shop = runner.run(stack.enter_async_context(opened(settings, tokens)))
        runner.run(shop.added("A", "B", "C"))

        @effort(max_examples=60, deadline=None, derandomize=True)
        @given(queries(SDL, mode=mode))
        def check(query: object) -> None:
            shop.pricing.requests.clear()
            shop.inventory.asked.clear()
            started = time.process_time()
            answer = runner.run(shop.query(str(query)))
            assert time.process_time() - started < MAX_CPU_SECONDS
            assert answer.status_code in (200, 400, 422), answer.text
            currencies = [request.lines[0].list_price.currency for request in shop.pricing.requests]
            assert len(currencies) == len(set(currencies))
            assert len(shop.inventory.asked) <= 1

        try:
            check()
        finally:
            runner.run(stack.aclose())
    with warnings.catch_warnings():
        # What the driver was told to drop in the middle of a query is dropped here, and not in a test that comes later.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.mark.slow
def test_no_request_breaks_it_however_it_is_written(settings: CatalogSettings, tokens: Issuer) -> None:
    of_staff: dict[str, Any] = {"cognito:groups": ["staff"]}
    app = create_app(replace(service(settings), workers=()))

    assert_nothing_breaks(app, tokens.token("eve", ["catalog/write"], **of_staff))
