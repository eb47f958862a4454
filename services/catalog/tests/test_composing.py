"""Products with their prices and stock: composed of three services, and shown without two of them."""

import asyncio
import json
from typing import Any

import grpc
import pytest
from catalog import pricing_pb2
from catalog.bootstrap import CatalogSettings
from prometheus_client import REGISTRY

from tests.tokens import Issuer

from .callees import HANG
from .shops import Shop, opened

pytestmark = pytest.mark.slow

PRODUCT = (
    "query ($sku: String!) {product(sku: $sku) {price {amount currency promotion source} stock {available source}}}"
)
LIST_PRICE = {"amount": 450, "currency": "EUR", "promotion": None, "source": "LIST"}
PRICED = {"amount": 450, "currency": "EUR", "promotion": None, "source": "PRICING"}
IN_STOCK = {"available": 3, "source": "INVENTORY"}
NO_STOCK_KNOWN = {"available": None, "source": "UNAVAILABLE"}


def fallbacks(callee: str) -> float:
    return REGISTRY.get_sample_value("catalog_fallbacks_total", {"callee": callee}) or 0


@pytest.fixture
async def tea(shop: Shop) -> str:
    """A product of which inventory has three pieces."""
    [sku] = await shop.added("TEA")
    shop.inventory.available[sku] = 3
    return sku


async def composed(shop: Shop, sku: str) -> dict[str, Any]:
    return (await shop.data(PRODUCT, sku=sku))["product"]  # type: ignore[no-any-return]


async def test_a_product_shows_its_price_and_its_stock(shop: Shop, tea: str) -> None:
    shop.pricing.promotions[tea] = ("spring", 400)

    assert await composed(shop, tea) == {
        "price": {"amount": 400, "currency": "EUR", "promotion": "spring", "source": "PRICING"},
        "stock": IN_STOCK,
    }
    [request] = shop.pricing.requests
    assert request == pricing_pb2.PricesRequest(
        lines=[
            pricing_pb2.Line(
                sku=tea, category="tea", quantity=1, list_price=pricing_pb2.Money(amount=450, currency="EUR")
            )
        ]
    )


async def test_what_inventory_has_never_heard_of_is_out_of_stock(shop: Shop) -> None:
    [sku] = await shop.added("NEW")

    assert (await composed(shop, sku))["stock"] == {"available": 0, "source": "INVENTORY"}


WRONG_PRICES = {
    "refuses": grpc.StatusCode.INVALID_ARGUMENT,
    "is not well": grpc.StatusCode.INTERNAL,
    "is away": grpc.StatusCode.UNAVAILABLE,
    "hangs": HANG,
    "answers nothing": lambda answer: pricing_pb2.PricesResponse(),
    "answers twice": lambda answer: pricing_pb2.PricesResponse(prices=[*answer.prices, *answer.prices]),
    "answers of another product": lambda answer: _changed(answer, sku="OTHER"),
    "answers in another currency": lambda answer: _changed(answer, currency="USD"),
    "answers more than the list price": lambda answer: _changed(answer, amount=451),
    "answers less than nothing": lambda answer: _changed(answer, amount=-1),
    "answers what is no message": lambda answer: b"\xff",
}


def _changed(
    answer: pricing_pb2.PricesResponse, sku: str | None = None, amount: int = 450, currency: str = "EUR"
) -> pricing_pb2.PricesResponse:
    price = pricing_pb2.Money(amount=amount, currency=currency)
    return pricing_pb2.PricesResponse(prices=[pricing_pb2.Price(sku=sku or answer.prices[0].sku, price=price)])


@pytest.mark.parametrize("instead", WRONG_PRICES.values(), ids=WRONG_PRICES.keys())
async def test_when_pricing_has_no_good_answer_the_list_price_is_shown_and_marked(
    shop: Shop, tea: str, instead: Any
) -> None:
    before = fallbacks("pricing")
    shop.pricing.instead = instead

    assert await composed(shop, tea) == {"price": LIST_PRICE, "stock": IN_STOCK}
    assert fallbacks("pricing") == before + 1


WRONG_STOCK = {
    "refuses": (400, "{}"),
    "refuses with something like an answer": (404, '{"items": []}'),
    "is not well": (500, "{}"),
    "is away": (503, "{}"),
    "sends elsewhere": (302, "{}"),
    "hangs": HANG,
    "answers no JSON": (200, "<html>"),
    "answers a list": lambda document: [],
    "answers no items": lambda document: {},
    "answers text": lambda document: _stock(document, "3"),
    "answers less than nothing": lambda document: _stock(document, -1),
    "answers more than Int holds": lambda document: _stock(document, 2**31),
    "answers null": lambda document: _stock(document, None),
}


def _stock(document: dict[str, Any], available: Any) -> dict[str, Any]:
    return {"items": [{"sku": document["items"][0]["sku"], "available": available}]}


@pytest.mark.parametrize("instead", WRONG_STOCK.values(), ids=WRONG_STOCK.keys())
async def test_when_inventory_has_no_good_answer_the_stock_is_unknown_and_marked(
    shop: Shop, tea: str, instead: Any
) -> None:
    before = fallbacks("inventory")
    shop.inventory.instead = instead

    assert await composed(shop, tea) == {"price": PRICED, "stock": NO_STOCK_KNOWN}
    assert fallbacks("inventory") == before + 1


async def test_without_both_of_them_products_are_shown_all_the_same(shop: Shop) -> None:
    skus = await shop.added("A", "B", "C")
    shop.pricing.instead, shop.inventory.instead = grpc.StatusCode.UNAVAILABLE, (503, "")

    data = await shop.data(
        "query ($search: String!) {products(search: $search) {edges {node {sku name price {source} stock {source}}}}}",
        search=shop.prefix,
    )

    assert [edge["node"] for edge in data["products"]["edges"]] == [
        {"sku": sku, "name": "Green tea", "price": {"source": "LIST"}, "stock": {"source": "UNAVAILABLE"}}
        for sku in skus
    ]


async def test_both_are_asked_at_the_same_time(shop: Shop, tea: str) -> None:
    shop.pricing.meets = shop.inventory.meets = asyncio.Barrier(2)

    assert await composed(shop, tea) == {"price": PRICED, "stock": IN_STOCK}


async def test_a_call_that_meets_a_restart_is_made_again(shop: Shop, tea: str) -> None:
    shop.pricing.away_for = shop.inventory.away_for = 1

    assert await composed(shop, tea) == {"price": PRICED, "stock": IN_STOCK}
    assert shop.pricing.asked == shop.inventory.asked == [[tea], [tea]]


async def test_who_has_failed_five_times_is_left_alone(settings: CatalogSettings, tokens: Issuer) -> None:
    async with opened(settings, tokens, patience_seconds=0.1) as shop:
        [sku] = await shop.added("TEA")
        shop.pricing.instead = shop.inventory.instead = HANG
        asked = []
        for _ in range(7):
            assert await composed(shop, sku) == {"price": LIST_PRICE, "stock": NO_STOCK_KNOWN}
            asked.append((len(shop.pricing.asked), len(shop.inventory.asked)))

        # On a busy machine a call may be given up before it has arrived.
        assert min(asked[4]) > 0
        assert asked[4] == asked[6]
        assert max(asked[6]) <= 5


SHAPES = {
    "a list": ("{products(search: %(prefix)s) {edges {node {price {amount} stock {available}}}}}", "ABC"),
    "single products": ("{x: product(sku: %(A)s) {...f} y: product(sku: %(C)s) {...f}} " + "%(f)s", "AC"),
    "the same product again": (
        "{x: product(sku: %(A)s) {...f} y: product(sku: %(A)s) {...f} z: product(sku: %(A)s) {again: price {amount}}}"
        " %(f)s",
        "A",
    ),
    "lists and single products, at different depths and times": (
        "{a: products(search: %(prefix)s, first: 2) {edges {node {...f}}}"
        " b: product(sku: %(C)s) {...f}"
        " c: products(search: %(A)s) {edges {node {stock {source} again: price {amount}}}}"
        " d: product(sku: %(missing)s) {...f}"
        " __typename} %(f)s",
        "ABC",
    ),
}


@pytest.mark.parametrize(("query", "named"), SHAPES.values(), ids=SHAPES.keys())
async def test_each_service_is_asked_once_whatever_the_shape_of_the_query(shop: Shop, query: str, named: str) -> None:
    await shop.added("A", "B", "C")
    skus = {name: json.dumps(shop.sku(name)) for name in ("A", "B", "C", "missing")}
    fragment = "fragment f on Product {price {amount} stock {available}}"

    await shop.data(query % {"prefix": json.dumps(shop.prefix), "f": fragment, **skus})

    [priced], [stocked] = shop.pricing.asked, shop.inventory.asked
    assert sorted(priced) == sorted(stocked) == [shop.sku(name) for name in named]


async def test_nobody_is_asked_for_what_the_query_does_not_want(shop: Shop, tea: str) -> None:
    await shop.data("query ($sku: String!) {product(sku: $sku) {name listPrice {amount}}}", sku=tea)
    await shop.data('{product(sku: "NOT-THERE") {price {amount} stock {available}}}')
    assert (shop.pricing.asked, shop.inventory.asked) == ([], [])

    await shop.data("query ($sku: String!) {product(sku: $sku) {stock {available}}}", sku=tea)
    assert (shop.pricing.asked, shop.inventory.asked) == ([], [[tea]])


async def test_a_hundred_products_are_one_call_each(shop: Shop) -> None:
    skus = await shop.added(*(f"{number:03}" for number in range(101)))

    data = await shop.data(
        "query ($s: String) {products(search: $s, first: 100) {edges {node {price {source} stock {source}}}}}",
        s=shop.prefix,
    )

    assert len(data["products"]["edges"]) == 100
    assert shop.pricing.asked == shop.inventory.asked == [skus[:100]]


async def test_each_currency_is_priced_by_itself(shop: Shop) -> None:
    """One request to pricing has one currency; should one of them fail, the other is still priced."""
    await shop.added("A", "C")
    await shop.added("B", list_price={"amount": 500, "currency": "USD"})
    shop.pricing.instead = lambda answer: answer if answer.prices[0].price.currency == "EUR" else _changed(answer)

    data = await shop.data(
        "query ($search: String!) {products(search: $search) {edges {node {price {amount currency source}}}}}",
        search=shop.prefix,
    )

    assert sorted(shop.pricing.asked) == [[shop.sku("A"), shop.sku("C")], [shop.sku("B")]]
    euros = {"amount": 450, "currency": "EUR", "source": "PRICING"}
    assert [edge["node"]["price"] for edge in data["products"]["edges"]] == [
        euros,
        {"amount": 500, "currency": "USD", "source": "LIST"},
        euros,
    ]


async def test_the_largest_price_fits(shop: Shop) -> None:
    [sku] = await shop.added("YACHT", list_price={"amount": 10**12, "currency": "EUR"})

    assert (await composed(shop, sku))["price"]["amount"] == 10**12


async def test_the_request_goes_on_to_both_under_its_id(shop: Shop, tea: str) -> None:
    await shop.public.post(
        "/graphql", json={"query": PRODUCT, "variables": {"sku": tea}}, headers={"X-Request-Id": "r-1"}
    )

    assert (shop.pricing.request_ids, shop.inventory.request_ids) == (["r-1"], ["r-1"])
