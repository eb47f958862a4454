"""The GraphQL schema. `schema.graphql` beside README.md is its printed form, which clients build upon."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Annotated, NewType, cast

import strawberry
from chassis.database import Database
from chassis.pages import DEFAULT_LIMIT
from chassis.problems import Problem
from graphql import GraphQLError
from strawberry.dataloader import DataLoader
from strawberry.schema.config import StrawberryConfig
from strawberry.types.execution import ExecutionContext

from catalog import domain, handlers
from catalog.api import CURSOR
from catalog.domain import PriceSource, StockSource
from catalog.storefront.batch_lookups import BatchLookup, LookupScheduler
from catalog.storefront.limits import BadInput
from catalog.storefront.validation import QueryValidation

MinorUnits = NewType("MinorUnits", int)


@dataclass(frozen=True, kw_only=True)
class Context:
    """What one request works with; never shared with another."""

    database: Database
    products: DataLoader[str, domain.Product | None]
    prices: BatchLookup[domain.Price]
    stock: BatchLookup[domain.Stock]
    lookups: LookupScheduler


Info = strawberry.Info[Context, None]
strawberry.enum(PriceSource, description="Where a price is from: pricing, or only the list price, as pricing is away.")
strawberry.enum(StockSource, description="Where a stock is from; UNAVAILABLE when inventory is away.")


@strawberry.type
class Money:
    amount: MinorUnits
    currency: str = strawberry.field(description="ISO 4217 code.")


@strawberry.type(description="What a piece costs now.")
class Price:
    # Read from a domain.Price, whose attributes have the same names; likewise Stock.
    amount: MinorUnits
    currency: str = strawberry.field(description="ISO 4217 code; that of the list price.")
    promotion: str | None = strawberry.field(description="The promotion that makes it less than the list price.")
    source: PriceSource


@strawberry.type(description="What the next order may take.")
class Stock:
    available: int | None = strawberry.field(description="Pieces; null when it is not known now.")
    source: StockSource


# Not coroutines: a lookup must know of every product in the turn of the event loop in which it was found.
def _price(product: strawberry.Parent["Product"], info: Info) -> Awaitable[Price]:
    return cast(Awaitable[Price], info.context.prices.of(product.known))


def _stock(product: strawberry.Parent["Product"], info: Info) -> Awaitable[Stock]:
    return cast(Awaitable[Stock], info.context.stock.of(product.known))


@strawberry.type
class Product:
    known: strawberry.Private[domain.Product]
    sku: str
    name: str
    description: str
    category: str
    list_price: Money = strawberry.field(description="What a piece costs without promotions.")

    price: Price = strawberry.field(resolver=_price)
    stock: Stock = strawberry.field(resolver=_stock)


@strawberry.type
class ProductEdge:
    cursor: str
    node: Product


@strawberry.type(description="How to go on, as Relay has it; this list only goes forward.")
class PageInfo:
    has_next_page: bool
    has_previous_page: bool = strawberry.field(description="True when `after` was given.")
    start_cursor: str | None
    end_cursor: str | None = strawberry.field(description="Give it back as `after` for the next page.")


@strawberry.type
class ProductConnection:
    edges: list[ProductEdge]
    page_info: PageInfo


async def _product(info: Info, sku: str) -> Product | None:
    with info.context.lookups.root_field():
        found = await info.context.products.load(sku)
        return None if found is None else _shown(found)


async def _products(
    info: Info,
    search: Annotated[
        str | None, strawberry.argument(description='Words, "a phrase", -without; or the beginning of a SKU.')
    ] = None,
    category: str | None = None,
    first: Annotated[int, strawberry.argument(description="1 to 100.")] = DEFAULT_LIMIT,
    after: str | None = None,
) -> ProductConnection:
    with info.context.lookups.root_field():
        found = await handlers.page(
            info.context.database, search=search, category=category, after=_key(after), limit=first + 1
        )
        return _connection(found, first, after)


@strawberry.type
class Query:
    product: Product | None = strawberry.field(
        resolver=_product, description="An active product; null when there is none."
    )
    products: ProductConnection = strawberry.field(
        resolver=_products, description="Active products in the order of their SKUs."
    )


class _Schema(strawberry.Schema):
    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Nothing: a caller's mistake is no error of ours to log, and ours are raised again by the route."""


schema = _Schema(
    query=Query,
    extensions=[QueryValidation],
    config=StrawberryConfig(
        scalar_map={
            MinorUnits: strawberry.scalar(
                name="MinorUnits",
                description="Minor units of a currency, such as cents: an integer of up to 10^12, more than Int holds.",
                serialize=int,
            )
        }
    ),
)


def _key(after: str | None) -> str | None:
    try:
        return CURSOR.decode(after)
    except Problem:
        raise BadInput("after is no endCursor of a page.") from None


def _connection(found: Sequence[domain.Product], first: int, after: str | None) -> ProductConnection:
    edges = [ProductEdge(cursor=CURSOR.encode(product.sku), node=_shown(product)) for product in found[:first]]
    page_info = PageInfo(
        has_next_page=len(found) > first,
        has_previous_page=after is not None,
        start_cursor=edges[0].cursor if edges else None,
        end_cursor=edges[-1].cursor if edges else None,
    )
    return ProductConnection(edges=edges, page_info=page_info)


def _shown(product: domain.Product) -> Product:
    content = product.content
    return Product(
        known=product,
        sku=product.sku,
        name=content.name,
        description=content.description,
        category=content.category,
        list_price=Money(amount=MinorUnits(content.list_price.amount), currency=content.list_price.currency),
    )
