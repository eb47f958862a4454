"""When the database is away, slow, or we have made a mistake: a plain answer, and nothing of our insides in it."""

import asyncio
from typing import Any

import grpc
import pytest
import sqlalchemy as sa
from catalog import handlers
from catalog.bootstrap import CatalogSettings
from catalog.callees import Pricing
from catalog.storefront import api
from chassis.database import Database

from tests.fixtures import free_port
from tests.tokens import Issuer

from .shops import Shop, opened
from .test_bad_input import assert_problem

QUERY = '{product(sku: "A") {name price {amount}} products {edges {node {sku stock {available}}}}}'


async def test_without_its_database_the_service_is_not_available(settings: CatalogSettings, tokens: Issuer) -> None:
    nowhere = settings.model_copy(update={"database_url": f"postgresql://catalog@127.0.0.1:{free_port()}/catalog"})
    async with opened(nowhere, tokens) as shop:
        for answer in (await shop.query(QUERY), await shop.get(), await shop.public.get("/products")):
            problem = assert_problem(answer, 503)
            assert problem["detail"] == "The database is out of reach."
            assert "Retry-After" in answer.headers


async def test_a_query_that_takes_too_long_is_given_up(
    shop: Shop, observer: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with observer.transaction() as tx:
        monkeypatch.setattr(api, "EXECUTION_SECONDS", 0.2)
        await tx.execute(sa.text("LOCK TABLE products IN ACCESS EXCLUSIVE MODE"))
        with monkeypatch.context() as hurried:
            hurried.setattr(api, "EXECUTION_SECONDS", 0.2)
            problem = assert_problem(await shop.query(QUERY), 503)

    assert problem["detail"] == "The query took too long."
    monkeypatch.undo()
    assert (await shop.query(QUERY)).status_code == 200


async def test_a_query_that_is_given_up_leaves_no_lookup_behind(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "EXECUTION_SECONDS", 0.5)
    [sku] = await shop.added("TEA")
    shop.pricing.instead = "hang"
    before = asyncio.all_tasks()

    assert_problem(await shop.query(f'{{product(sku: "{sku}") {{price {{amount}}}}}}'), 503)

    assert [task for task in asyncio.all_tasks() - before if "BatchLookup" in repr(task)] == []


async def test_a_mistake_of_ours_shows_nothing_of_our_insides(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("secret of catalog")

    [sku] = await shop.added("TEA")
    for place, name in ((handlers, "page"), (handlers, "find_all"), (Pricing, "_ask")):
        with monkeypatch.context() as patch:
            patch.setattr(place, name, broken)
            answer = await shop.query(QUERY.replace('"A"', f'"{sku}"'))
        problem = assert_problem(answer, 500)
        assert problem.keys() == {"type", "title", "status", "request_id"}


async def test_what_other_services_say_of_their_insides_is_not_passed_on(shop: Shop) -> None:
    [sku] = await shop.added("TEA")
    shop.pricing.instead, shop.inventory.instead = grpc.StatusCode.INVALID_ARGUMENT, (500, "secret of inventory")

    answer = await shop.query(f'{{product(sku: "{sku}") {{price {{source}} stock {{source}}}}}}')

    assert answer.status_code == 200
    assert "secret" not in answer.text
