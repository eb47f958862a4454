"""The port to the service that knows the promotions."""

from collections.abc import Sequence
from typing import Protocol

from orders.domain.basket import Product, Quote


class QuoteUnavailable(Exception):
    """There is no quote now."""


class Quotes(Protocol):
    async def quote(self, lines: Sequence[tuple[Product, int]], coupons: Sequence[str]) -> Quote:
        """What so many pieces of each product cost with these coupons. Raises QuoteUnavailable."""
