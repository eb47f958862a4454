"""Prices from the service pricing and stock from inventory, with fallbacks when they give no usable answer.

Nothing here raises because of another service: an answer that is late or unusable is replaced by a fallback, which is
marked as such, counted and logged.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import groupby
from typing import TypeVar

import structlog
from chassis.client import CalleeUnavailableError, ServiceClient
from chassis.grpc import GrpcClient, GrpcRefusedError
from prometheus_client import Counter
from pydantic import BaseModel, Field, ValidationError

from catalog import pricing_pb2
from catalog.domain import UNKNOWN_STOCK, Price, PriceSource, Product, Stock, StockSource, list_price

MAX_PRODUCTS_PER_CALL = 100
"""The most products of one call: what GET /internal/stock takes."""
TIMEOUT_SECONDS = 0.3
ATTEMPTS = 2
MAX_AVAILABLE = 2**31 - 1
"""What GraphQL's Int holds."""

T = TypeVar("T")

log = structlog.get_logger(__name__)
FALLBACKS = Counter("catalog_fallbacks_total", "Answers made up without another service.", ["callee"])


class UnusableAnswer(Exception):
    """The other service answers, but not what it was asked."""


class Pricing:
    """The prices of today, by gRPC: one call for each currency, and the products of a shop have one."""

    def __init__(self, base_url: str) -> None:
        self._grpc = GrpcClient("pricing", base_url, timeout_seconds=TIMEOUT_SECONDS, attempts=ATTEMPTS)
        FALLBACKS.labels("pricing")

    async def prices(self, products: Sequence[Product]) -> Mapping[str, Price]:
        """By SKU, of up to MAX_PRODUCTS_PER_CALL products: each one's price, or its list price."""
        by_currency = sorted(products, key=_currency)
        found = await asyncio.gather(
            *(
                _with_fallback(
                    "pricing", self._ask, list(group), lambda these: [list_price(product) for product in these]
                )
                for _, group in groupby(by_currency, key=_currency)
            )
        )
        prices = (price for of_one_currency in found for price in of_one_currency)
        return {product.sku: price for product, price in zip(by_currency, prices, strict=True)}

    async def close(self) -> None:
        await self._grpc.close()

    async def _ask(self, products: Sequence[Product]) -> list[Price]:
        request = pricing_pb2.PricesRequest(lines=[_line(product) for product in products])
        answer = await self._grpc.call("/shop.pricing.v1.Pricing/Prices", request, pricing_pb2.PricesResponse)
        if [price.sku for price in answer.prices] != [product.sku for product in products]:
            raise UnusableAnswer("other products than those asked for")
        return [_price(product, price) for product, price in zip(products, answer.prices, strict=True)]


class _Availability(BaseModel):
    sku: str
    available: int = Field(strict=True, ge=0, le=MAX_AVAILABLE)


class _Availabilities(BaseModel):
    items: list[_Availability]


class Inventory:
    """The pieces in stock, by HTTP."""

    def __init__(self, base_url: str) -> None:
        self._http = ServiceClient("inventory", base_url, timeout_seconds=TIMEOUT_SECONDS, attempts=ATTEMPTS)
        FALLBACKS.labels("inventory")

    async def stock(self, products: Sequence[Product]) -> Mapping[str, Stock]:
        """By SKU, of up to MAX_PRODUCTS_PER_CALL products: what is available, or that this is unknown.

        What inventory has never heard of is not in stock: 0 pieces.
        """
        stock = await _with_fallback("inventory", self._ask, products, lambda these: [UNKNOWN_STOCK] * len(these))
        return {product.sku: known for product, known in zip(products, stock, strict=True)}

    async def close(self) -> None:
        await self._http.close()

    async def _ask(self, products: Sequence[Product]) -> list[Stock]:
        query = "&".join(f"sku={product.sku}" for product in products)
        answer = await self._http.request("GET", f"/internal/stock?{query}")
        if answer.status_code != 200:
            raise UnusableAnswer(f"status {answer.status_code}")
        try:
            items = _Availabilities.model_validate_json(answer.content).items
        except ValidationError as error:
            raise UnusableAnswer(f"{error.error_count()} members are wrong") from None
        available = {item.sku: item.available for item in items}
        return [Stock(available=available.get(product.sku, 0), source=StockSource.INVENTORY) for product in products]


async def _with_fallback(
    callee: str,
    ask: Callable[[Sequence[Product]], Awaitable[T]],
    products: Sequence[Product],
    instead: Callable[[Sequence[Product]], T],
) -> T:
    try:
        return await ask(products)
    except CalleeUnavailableError:
        pass  # its client has logged it
    except (GrpcRefusedError, UnusableAnswer) as error:
        log.warning("answer_not_usable", callee=callee, reason=f"{type(error).__name__}: {error}")
    FALLBACKS.labels(callee).inc()
    return instead(products)


def _currency(product: Product) -> str:
    return product.content.list_price.currency


def _line(product: Product) -> pricing_pb2.Line:
    money = product.content.list_price
    return pricing_pb2.Line(
        sku=product.sku,
        category=product.content.category,
        quantity=1,
        list_price=pricing_pb2.Money(amount=money.amount, currency=money.currency),
    )


def _price(product: Product, answer: pricing_pb2.Price) -> Price:
    """Raises UnusableAnswer for a price that no promotion can make."""
    most = product.content.list_price
    if answer.price.currency != most.currency or not 0 <= answer.price.amount <= most.amount:
        raise UnusableAnswer(f"no price of {product.sku}")
    return Price(
        amount=answer.price.amount,
        currency=answer.price.currency,
        promotion=answer.promotion or None,
        source=PriceSource.PRICING,
    )
