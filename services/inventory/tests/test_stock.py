"""What the staff and other services read and say of stock over HTTP."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest
from chassis.database import Database
from inventory import handlers, store
from inventory.store import Stock
from inventory.tables import stock
from sqlalchemy.exc import DBAPIError

from .warehouse import Warehouse, placed


async def test_a_new_article_has_the_pieces_that_the_staff_says(staff: httpx.AsyncClient) -> None:
    new = await staff.put("/stock/TEA-GREEN-100", json={"on_hand": 100})

    assert new.status_code == 201
    assert new.json() == {"sku": "TEA-GREEN-100", "on_hand": 100, "reserved": 0, "available": 100}
    assert (await staff.get("/stock/TEA-GREEN-100")).json() == new.json()


async def test_the_staff_may_count_again_and_again(staff: httpx.AsyncClient) -> None:
    answers = [await staff.put("/stock/TEA", json={"on_hand": on_hand}) for on_hand in (5, 7, 7, 0, 10**9)]

    assert [answer.status_code for answer in answers] == [201, 200, 200, 200, 200]
    assert [answer.json()["available"] for answer in answers] == [5, 7, 7, 0, 10**9]


async def test_what_orders_have_reserved_is_on_hand_but_not_available(
    staff: httpx.AsyncClient, warehouse: Warehouse
) -> None:
    await warehouse.fill(TEA=5)
    await warehouse.hear(placed(uuid4(), TEA=2))

    assert (await staff.get("/stock/TEA")).json() == {"sku": "TEA", "on_hand": 5, "reserved": 2, "available": 3}


async def test_there_cannot_be_fewer_pieces_than_are_reserved(staff: httpx.AsyncClient, warehouse: Warehouse) -> None:
    await warehouse.fill(TEA=5)
    await warehouse.hear(placed(uuid4(), TEA=2))

    refused = await staff.put("/stock/TEA", json={"on_hand": 1})

    assert refused.status_code == 409
    assert refused.json() == {
        "type": "about:blank",
        "title": "Below what is reserved",
        "status": 409,
        "detail": "2 of TEA are reserved for orders; there cannot be fewer on hand.",
    }
    assert await warehouse.stock("TEA") == (5, 2)
    assert (await staff.put("/stock/TEA", json={"on_hand": 2})).json()["available"] == 0


async def test_an_article_that_was_never_in_stock_is_not_found(staff: httpx.AsyncClient) -> None:
    missing = await staff.get("/stock/TEA")

    assert (missing.status_code, missing.json()["title"]) == (404, "Not in stock")


async def test_who_adds_an_article_while_somebody_else_does_sets_its_pieces_after_them(
    warehouse: Warehouse, database: Database, make_database: Callable[[], Awaitable[Database]]
) -> None:
    async with (await make_database()).transaction() as tx:
        await store.add_stock(tx, Stock("TEA", on_hand=9, reserved=0))
        waiting = asyncio.create_task(handlers.set_on_hand(database, "TEA", 1))
        await asyncio.wait([waiting], timeout=0.3)
        assert not waiting.done()

    assert await waiting == (Stock("TEA", on_hand=1, reserved=0), False)
    assert await warehouse.stock("TEA") == (1, 0)


async def test_other_services_read_what_is_available_of_many_articles_without_a_token(
    make_client: Callable[..., httpx.AsyncClient], warehouse: Warehouse
) -> None:
    await warehouse.fill(TEA=5, CUP=1, POT=3)
    await warehouse.hear(placed(uuid4(), TEA=2))
    catalog = make_client()
    del catalog.headers["Authorization"]

    answer = await catalog.get("/internal/stock", params={"sku": ["TEA", "CUP", "JAR", "TEA"]})

    assert answer.status_code == 200
    assert answer.json() == {"items": [{"sku": "CUP", "available": 1}, {"sku": "TEA", "available": 3}]}


async def test_the_availability_of_a_hundred_articles_is_one_request(
    staff: httpx.AsyncClient, warehouse: Warehouse
) -> None:
    known = {f"TEA-{number}": number for number in range(100)}
    await warehouse.fill(**known)

    answer = await staff.get("/internal/stock", params={"sku": list(known)})

    assert {item["sku"]: item["available"] for item in answer.json()["items"]} == known


@pytest.mark.parametrize("query", [{}, {"sku": []}, {"sku": [f"TEA-{n}" for n in range(101)]}, {"sku": ["TEA", "tea"]}])
async def test_other_services_name_one_to_a_hundred_articles(staff: httpx.AsyncClient, query: dict[str, Any]) -> None:
    answer = await staff.get("/internal/stock", params=query)

    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(("on_hand", "reserved"), [(1, 2), (1, -1), (-1, -1)])
async def test_the_database_itself_refuses_to_oversell(
    warehouse: Warehouse, database: Database, on_hand: int, reserved: int
) -> None:
    await warehouse.fill(TEA=5)

    with pytest.raises(DBAPIError, match="stock_is_not_oversold"):
        async with database.transaction() as tx:
            await tx.execute(stock.update().values(on_hand=on_hand, reserved=reserved))
