"""Money as integer minor units with a currency; never a float."""

from __future__ import annotations

from pydantic import Field

from chassis.models import RequestModel

MAX_AMOUNT = 10**12
"""Ten billion in a currency of two decimals: far above any order, far below what a BIGINT or a JSON number holds."""


class CurrencyMismatchError(ValueError):
    """Two amounts of different currencies have no sum."""


class AmountTooLargeError(ValueError):
    """The result is more than MAX_AMOUNT."""


class Money(RequestModel):
    """An amount in minor units (cents) of an ISO 4217 currency, 0 to MAX_AMOUNT.

    Sums and products raise AmountTooLargeError above MAX_AMOUNT; a sum of different currencies raises
    CurrencyMismatchError.
    """

    amount: int = Field(strict=True, ge=0, le=MAX_AMOUNT, description="In minor units, e.g. cents.")
    currency: str = Field(pattern="^[A-Z]{3}$", description="ISO 4217 code.", examples=["EUR"])

    def __add__(self, other: Money) -> Money:
        if self.currency != other.currency:
            raise CurrencyMismatchError(f"cannot add {other.currency} to {self.currency}")
        return self._of(self.amount + other.amount)

    def __mul__(self, quantity: int) -> Money:
        return self._of(self.amount * quantity)

    def _of(self, amount: int) -> Money:
        if amount > MAX_AMOUNT:
            raise AmountTooLargeError(f"{amount} is more than {MAX_AMOUNT}")
        return Money(amount=amount, currency=self.currency)
