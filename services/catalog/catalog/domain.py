"""What a product is and how it changes; its price and stock as others tell them. No I/O."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from chassis.models import RequestModel
from chassis.money import Money
from chassis.text import LINE, LINES
from pydantic import Field, StringConstraints

SKU_PATTERN = r"^[A-Z0-9][A-Z0-9-]{0,63}$"
CATEGORY_PATTERN = r"^[a-z][a-z0-9-]{0,63}$"
MAX_SEARCH = 200
"""Characters of what is searched for."""

Sku = Annotated[str, Field(pattern=SKU_PATTERN, examples=["TEA-GREEN-100"])]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200), LINE, Field(examples=["Green tea, 100 g"])]
Description = Annotated[
    str, StringConstraints(max_length=5_000), LINES, Field(examples=["A mild tea from the first harvest."])
]
Category = Annotated[str, Field(pattern=CATEGORY_PATTERN, examples=["tea"])]


class Content(RequestModel):
    """What the staff say of a product: all of it, each time."""

    name: Name
    description: Description
    category: Category
    list_price: Money = Field(description="The price of a piece before any promotion.")
    active: bool = Field(strict=True, description="Whether the public may see and buy it.")


@dataclass(frozen=True, kw_only=True)
class Product:
    """A product after `version` changes; the first makes it version 1."""

    sku: str
    content: Content
    version: int
    updated_at: datetime


class OutdatedVersion(Exception):
    """The product is not in the version that the caller has seen."""

    def __init__(self, sku: str) -> None:
        super().__init__(f"Product {sku} is not what you have seen; read it again.")


def put(before: Product | None, *, sku: str, content: Content, now: datetime) -> Product:
    """The product with this content: `before` itself when it has it already."""
    if before is not None and before.content == content:
        return before
    return Product(sku=sku, content=content, version=1 if before is None else before.version + 1, updated_at=now)


class PriceSource(StrEnum):
    PRICING = "PRICING"
    LIST = "LIST"


@dataclass(frozen=True, kw_only=True)
class Price:
    """The price of one piece: by the promotions in force, or the list price when they are not known.

    promotion: the id of the promotion that makes it less than the list price.
    """

    amount: int
    currency: str
    promotion: str | None
    source: PriceSource


class StockSource(StrEnum):
    INVENTORY = "INVENTORY"
    UNAVAILABLE = "UNAVAILABLE"


@dataclass(frozen=True, kw_only=True)
class Stock:
    """The pieces that the next order may take; None when that is not known."""

    available: int | None
    source: StockSource


def list_price(product: Product) -> Price:
    """What a piece costs as far as is known without promotions."""
    money = product.content.list_price
    return Price(amount=money.amount, currency=money.currency, promotion=None, source=PriceSource.LIST)


UNKNOWN_STOCK = Stock(available=None, source=StockSource.UNAVAILABLE)
