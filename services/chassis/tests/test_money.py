import pytest
from chassis.money import MAX_AMOUNT, AmountTooLargeError, CurrencyMismatchError, Money
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

amounts = st.integers(0, MAX_AMOUNT // 2)


def euros(amount: int) -> Money:
    return Money(amount=amount, currency="EUR")


@given(amounts, amounts)
def test_a_sum_is_exact_and_keeps_the_currency(one: int, other: int) -> None:
    assert euros(one) + euros(other) == euros(one + other)


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_product_is_exact_and_keeps_the_currency(price: int, quantity: int) -> None:
    assert euros(price) * quantity == euros(price * quantity)


def test_different_currencies_have_no_sum() -> None:
    with pytest.raises(CurrencyMismatchError, match="cannot add USD to EUR"):
        euros(1) + Money(amount=1, currency="USD")


def test_the_largest_amount_is_allowed_and_one_more_is_not() -> None:
    assert euros(MAX_AMOUNT - 1) + euros(1) == euros(MAX_AMOUNT)
    with pytest.raises(AmountTooLargeError):
        euros(MAX_AMOUNT) + euros(1)
    with pytest.raises(AmountTooLargeError):
        euros(MAX_AMOUNT) * 2


@pytest.mark.parametrize(
    "bad",
    [
        {"amount": -1, "currency": "EUR"},
        {"amount": MAX_AMOUNT + 1, "currency": "EUR"},
        {"amount": 1.0, "currency": "EUR"},
        {"amount": "1", "currency": "EUR"},
        {"amount": True, "currency": "EUR"},
        {"amount": 1, "currency": "eur"},
        {"amount": 1, "currency": "EURO"},
        {"amount": 1, "currency": "EUR\n"},
        {"amount": 1, "currency": "EUR", "cents": 1},
        {"amount": 1},
    ],
)
def test_what_is_no_money_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Money.model_validate(bad)


@pytest.mark.parametrize("quantity", [-1, -(10**6)])
def test_a_negative_quantity_makes_no_money(quantity: int) -> None:
    with pytest.raises(ValidationError):
        euros(1) * quantity


def test_money_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        euros(1).amount = 2  # type: ignore[misc]
