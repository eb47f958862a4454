"""Amounts as a person reads them."""

from decimal import Decimal

# ISO 4217, list one: the currencies whose minor unit is not a hundredth.
_CURRENCIES_BY_DECIMALS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_DECIMALS = {code: decimals for decimals, codes in _CURRENCIES_BY_DECIMALS.items() for code in codes.split()}


def formatted(amount: int, currency: str) -> str:
    """`amount` minor units of an ISO 4217 currency: 12.50 EUR, 1250 JPY, 1.250 KWD."""
    return f"{Decimal(amount).scaleb(-_DECIMALS.get(currency, 2))} {currency}"
