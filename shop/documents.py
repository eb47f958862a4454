"""What the shop answers, as far as this client reads it. What it does not know it keeps, for `--json`."""

from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from shop.money import formatted

T = TypeVar("T")

CONFIRMED, CANCELLED = "confirmed", "cancelled"
FINAL = frozenset({CONFIRMED, CANCELLED})
"""The states that an order does not leave."""


class Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")


class Money(Document):
    amount: int
    currency: str

    def __str__(self) -> str:
        return formatted(self.amount, self.currency)


class Line(Document):
    sku: str
    name: str | None = None
    quantity: int
    unit_price: Money

    @property
    def cost(self) -> Money:
        return Money(amount=self.quantity * self.unit_price.amount, currency=self.unit_price.currency)


class Discount(Document):
    label: str
    amount: Money


class Cancellation(Document):
    cause: str
    reason: str | None = None


class Order(Document):
    id: str
    status: str
    lines: list[Line]
    discounts: list[Discount] = []
    total: Money
    priced_by: str
    """`promotions`, or `list` when promotions were out of reach."""
    payment_method: str
    placed_at: datetime
    cancellation: Cancellation | None = None


class HistoryEntry(Document):
    """One entry of an order's history."""

    type: str
    """`order.placed`, ..."""
    occurred_at: datetime


class History(Document):
    items: list[HistoryEntry]


class Product(Document):
    sku: str
    name: str
    description: str = ""
    category: str
    list_price: Money
    active: bool = True


class Price(Document):
    """Of one piece, today."""

    amount: int
    currency: str
    promotion: str | None = None
    """The promotion that makes it less than the list price."""
    source: str
    """`PRICING`, or `LIST` when promotions were out of reach."""

    def __str__(self) -> str:
        return formatted(self.amount, self.currency)


class Stock(Document):
    available: int | None = None
    source: str
    """`INVENTORY`, or `UNAVAILABLE` when stock was out of reach."""


class Offer(Document):
    """A product as the storefront shows it."""

    sku: str
    name: str
    description: str
    category: str
    list_price: Money
    price: Price
    stock: Stock


class Activity(Document):
    """One entry of the activity log."""

    kind: str
    text: str
    occurred_at: datetime
    reference: str


class Page(Document, Generic[T]):
    items: list[T]
    next_cursor: str | None = None


def plain(document: Any) -> Any:
    """As JSON has it."""
    if isinstance(document, list):
        return [plain(each) for each in document]
    return document.model_dump(mode="json") if isinstance(document, BaseModel) else document
