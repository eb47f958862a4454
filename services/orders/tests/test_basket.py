"""What a basket costs, without any I/O."""

from typing import Any

import pytest
from chassis.money import MAX_AMOUNT, Money
from hypothesis import given
from hypothesis import strategies as st
from orders.domain import basket as baskets
from orders.domain.basket import Basket, Discount, Item, Line, PricedBy, Product, Quote


def product(sku: str = "TEA", amount: int = 250, currency: str = "EUR", *, active: bool = True) -> Product:
    price = Money(amount=amount, currency=currency)
    return Product(sku=sku, name=sku.title(), category="tea", list_price=price, active=active)


def at_list_prices(*lines: tuple[Product, int]) -> Basket:
    items = [Item(sku=each.sku, quantity=quantity) for each, quantity in lines]
    return baskets.at_list_prices(items, {each.sku: each for each, _ in lines})


skus = st.integers(0, 999).map("SKU-{}".format)
lines_of_one_currency = st.lists(
    st.tuples(st.builds(product, sku=skus, amount=st.integers(0, 10_000_000)), st.integers(1, 1_000)),
    min_size=1,
    max_size=20,
    unique_by=lambda each: each[0].sku,
)


@given(lines_of_one_currency)
def test_the_list_total_is_the_sum_of_quantity_times_list_price(lines: list[tuple[Product, int]]) -> None:
    expected = 0
    for each, quantity in lines:
        for _ in range(quantity):
            expected += each.list_price.amount

    assert at_list_prices(*lines).total == Money(amount=expected, currency="EUR")


def test_a_basket_keeps_the_names_and_prices_of_its_products() -> None:
    assert at_list_prices((product("TEA", 250), 2)) == Basket(
        lines=(Line(sku="TEA", name="Tea", quantity=2, unit_price=Money(amount=250, currency="EUR")),),
        discounts=(),
        total=Money(amount=500, currency="EUR"),
        priced_by=PricedBy.LIST,
    )


def test_an_article_on_two_lines_is_refused() -> None:
    with pytest.raises(baskets.RepeatedSku, match="TEA is on more than one line"):
        at_list_prices((product("TEA"), 1), (product("CUP"), 1), (product("TEA"), 3))


def test_what_is_unknown_or_no_longer_sold_is_refused_by_name() -> None:
    items = [Item(sku=sku, quantity=1) for sku in ("TEA", "OLD", "NEVER")]

    with pytest.raises(baskets.NotSold, match="Not sold here: OLD, NEVER"):
        baskets.at_list_prices(items, {"TEA": product("TEA"), "OLD": product("OLD", active=False)})


def test_two_currencies_in_one_order_are_refused() -> None:
    with pytest.raises(baskets.MixedCurrencies, match="this one has EUR, USD"):
        at_list_prices((product("TEA", currency="USD"), 1), (product("CUP"), 1))


def test_a_total_may_reach_the_largest_amount_and_not_exceed_it() -> None:
    assert at_list_prices((product(amount=MAX_AMOUNT), 1)).total.amount == MAX_AMOUNT
    with pytest.raises(baskets.TotalTooLarge, match=str(MAX_AMOUNT + 1)):
        at_list_prices((product("TEA", MAX_AMOUNT), 1), (product("CUP", 1), 1))


TEN_EUROS = at_list_prices((product(amount=500), 2))


def quote(**changes: Any) -> Quote:
    good: dict[str, Any] = {
        "list_total": (1_000, "EUR"),
        "discounts": [("tea-week", "10 % off tea", (100, "EUR")), ("welcome", "Welcome", (50, "EUR"))],
        "total": (850, "EUR"),
    }
    return Quote(**good | changes)


def test_a_quote_that_adds_up_gives_the_basket_its_discounts() -> None:
    assert baskets.discounted(TEN_EUROS, quote()) == Basket(
        lines=TEN_EUROS.lines,
        discounts=(
            Discount(promotion="tea-week", label="10 % off tea", amount=Money(amount=100, currency="EUR")),
            Discount(promotion="welcome", label="Welcome", amount=Money(amount=50, currency="EUR")),
        ),
        total=Money(amount=850, currency="EUR"),
        priced_by=PricedBy.PROMOTIONS,
    )


def test_promotions_without_a_discount_have_priced_the_basket_all_the_same() -> None:
    priced = baskets.discounted(TEN_EUROS, quote(discounts=[], total=(1_000, "EUR")))

    assert (priced.total, priced.priced_by) == (TEN_EUROS.total, PricedBy.PROMOTIONS)


def test_a_basket_may_become_free() -> None:
    free = baskets.discounted(TEN_EUROS, quote(discounts=[("gift", "A gift", (1_000, "EUR"))], total=(0, "EUR")))

    assert free.total.amount == 0


UNTRUSTED = {
    "the total in another currency": {"total": (850, "USD")},
    "the list total in another currency": {"list_total": (1_000, "USD")},
    "a discount in another currency": {"discounts": [("p", "l", (150, "USD"))]},
    "no currency at all": {"list_total": (1_000, ""), "total": (1_000, ""), "discounts": []},
    "another list total": {"list_total": (1_001, "EUR")},
    "a total above the list total": {"discounts": [], "total": (1_001, "EUR")},
    "a total above, by a negative discount": {"discounts": [("p", "l", (-1, "EUR"))], "total": (1_001, "EUR")},
    "a negative discount beside another": {
        "discounts": [("p", "l", (-100, "EUR")), ("q", "m", (250, "EUR"))],
        "total": (850, "EUR"),
    },
    "a negative total": {"discounts": [("p", "l", (1_001, "EUR"))], "total": (-1, "EUR")},
    "a total without its discounts": {"discounts": [], "total": (850, "EUR")},
    "a total that is too high": {"total": (851, "EUR")},
    "a label with NUL": {"discounts": [("p", "a\0b", (150, "EUR"))]},
    "a long label": {"discounts": [("p", "l" * 201, (150, "EUR"))]},
    "a long id of a promotion": {"discounts": [("p" * 65, "l", (150, "EUR"))]},
    "101 discounts": {"discounts": [("p", "l", (1, "EUR"))] * 101, "total": (899, "EUR")},
}


@pytest.mark.parametrize("changes", UNTRUSTED.values(), ids=UNTRUSTED.keys())
def test_a_quote_that_does_not_add_up_is_not_trusted(changes: dict[str, Any]) -> None:
    with pytest.raises(baskets.UntrustedQuote):
        baskets.discounted(TEN_EUROS, quote(**changes))


@given(
    st.integers(-10, 2_000),
    st.lists(st.tuples(st.just("p"), st.just("l"), st.tuples(st.integers(-10, 1_100), st.just("EUR"))), max_size=4),
)
def test_a_basket_never_costs_more_than_its_list_prices_nor_less_than_nothing(total: int, discounts: list[Any]) -> None:
    try:
        basket = baskets.discounted(TEN_EUROS, quote(discounts=discounts, total=(total, "EUR")))
    except baskets.UntrustedQuote:
        return
    assert 0 <= basket.total.amount <= 1_000
    assert basket.total.amount == 1_000 - sum(discount.amount.amount for discount in basket.discounts)
