"""What is ordered, and what it costs: list prices, and a quote of the promotions where there is one to be trusted."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from chassis.models import RequestModel
from chassis.money import MAX_AMOUNT, Money
from pydantic import BaseModel, ConfigDict, Field

MAX_LINES = 100
MAX_QUANTITY = 1_000
MAX_COUPONS = 10
MAX_DISCOUNTS = 100
"""As many as lines. With MAX_LABEL it keeps the event of an order below what the topic takes."""
MAX_LABEL = 200
MAX_PROMOTION = 64

Sku = Annotated[str, Field(pattern=r"^[A-Z0-9][A-Z0-9-]{0,63}$", examples=["TEA-GREEN-100"])]
PaymentMethod = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,63}$", examples=["card"])]
Coupon = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,63}$", examples=["WELCOME"])]


class PricedBy(StrEnum):
    PROMOTIONS = "promotions"
    LIST = "list"


class Item(RequestModel):
    """`quantity` pieces of one article."""

    sku: Sku
    quantity: int = Field(strict=True, ge=1, le=MAX_QUANTITY)


class NewOrder(RequestModel):
    """What a customer wants. Prices are not the customer's to say."""

    # Lists: of a tuple with a bad item pydantic says as well that it is too short.
    lines: list[Item] = Field(min_length=1, max_length=MAX_LINES)
    payment_method: PaymentMethod = "card"
    coupons: list[Coupon] = Field(default=[], max_length=MAX_COUPONS)


class Product(BaseModel):
    """An article as the catalogue has it. One that is not active is not sold."""

    model_config = ConfigDict(frozen=True)

    sku: str
    name: str
    category: str
    list_price: Money
    active: bool


class Line(BaseModel):
    """`quantity` pieces of one article, each at the list price `unit_price`."""

    model_config = ConfigDict(frozen=True)

    sku: Sku
    name: str
    quantity: int
    unit_price: Money


class Discount(BaseModel):
    """What one promotion takes off the sum of the lines."""

    model_config = ConfigDict(frozen=True)

    promotion: str = Field(description="The promotion's id.")
    label: str = Field(description="What a person reads.", examples=["3 for 2 on green tea"])
    amount: Money


class Basket(BaseModel):
    """What is ordered and what all of it costs: the total is the sum of the lines less the discounts."""

    model_config = ConfigDict(frozen=True)

    lines: tuple[Line, ...]
    discounts: tuple[Discount, ...] = ()
    total: Money
    priced_by: PricedBy


@dataclass(frozen=True, kw_only=True, slots=True)
class Quote:
    """What the promotions make of a basket, as somebody else says it: not checked yet.

    Each amount is (minor units, currency); discounts are (promotion, label, amount).
    """

    list_total: tuple[int, str]
    discounts: Sequence[tuple[str, str, tuple[int, str]]]
    total: tuple[int, str]


class OrderRefused(Exception):
    """An order that breaks a rule of its own, whatever else is going on."""


class RepeatedSku(OrderRefused):
    def __init__(self, sku: str) -> None:
        super().__init__(f"{sku} is on more than one line; an article has one line with its whole quantity.")


class NotSold(OrderRefused):
    def __init__(self, skus: Sequence[str]) -> None:
        super().__init__(f"Not sold here: {', '.join(skus)}.")


class MixedCurrencies(OrderRefused):
    def __init__(self, currencies: set[str]) -> None:
        super().__init__(f"An order has one currency; this one has {', '.join(sorted(currencies))}.")


class TotalTooLarge(OrderRefused):
    def __init__(self, amount: int) -> None:
        super().__init__(f"The total may be up to {MAX_AMOUNT}; this one is {amount}.")


class UntrustedQuote(Exception):
    """The quote does not add up, or is not about this basket."""


def at_list_prices(items: Sequence[Item], products: Mapping[str, Product]) -> Basket:
    """The basket without promotions. Raises an OrderRefused."""
    sku, count = Counter(item.sku for item in items).most_common(1)[0]
    if count > 1:
        raise RepeatedSku(sku)
    if missing := [item.sku for item in items if item.sku not in products or not products[item.sku].active]:
        raise NotSold(missing)
    lines = tuple(_line(item, products[item.sku]) for item in items)
    currencies = {line.unit_price.currency for line in lines}
    if len(currencies) > 1:
        raise MixedCurrencies(currencies)
    amount = sum(line.quantity * line.unit_price.amount for line in lines)
    if amount > MAX_AMOUNT:
        raise TotalTooLarge(amount)
    return Basket(lines=lines, total=Money(amount=amount, currency=currencies.pop()), priced_by=PricedBy.LIST)


def discounted(basket: Basket, quote: Quote) -> Basket:
    """The basket of list prices with the discounts of the quote. Raises UntrustedQuote."""
    before = basket.total
    amounts = [amount for _, _, amount in quote.discounts]
    if {currency for _, currency in (quote.list_total, quote.total, *amounts)} != {before.currency}:
        raise UntrustedQuote("another currency")
    if quote.list_total[0] != before.amount:
        raise UntrustedQuote("another sum of list prices")
    if any(amount < 0 for amount, _ in amounts):
        raise UntrustedQuote("a negative discount")
    total = before.amount - sum(amount for amount, _ in amounts)
    if total != quote.total[0] or total < 0:
        raise UntrustedQuote("the total is not the sum less the discounts")
    if len(amounts) > MAX_DISCOUNTS or not all(_is_fit(promotion, label) for promotion, label, _ in quote.discounts):
        raise UntrustedQuote("a discount that cannot be kept")
    return Basket(
        lines=basket.lines,
        discounts=tuple(
            Discount(promotion=promotion, label=label, amount=Money(amount=amount, currency=currency))
            for promotion, label, (amount, currency) in quote.discounts
        ),
        total=Money(amount=total, currency=before.currency),
        priced_by=PricedBy.PROMOTIONS,
    )


def _line(item: Item, product: Product) -> Line:
    return Line(sku=item.sku, name=product.name, quantity=item.quantity, unit_price=product.list_price)


def _is_fit(promotion: str, label: str) -> bool:
    """Whether a database can keep it: not too long, and without the NUL that PostgreSQL has no place for."""
    return len(promotion) <= MAX_PROMOTION and len(label) <= MAX_LABEL and "\0" not in promotion + label
