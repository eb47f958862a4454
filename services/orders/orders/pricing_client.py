"""The pricing service as `Quotes`: gRPC, within a deadline, behind a circuit breaker."""

from collections.abc import Sequence

import structlog
from chassis.client import CalleeUnavailableError
from chassis.grpc import GrpcClient, GrpcRefusedError

from orders import pricing_pb2
from orders.domain.basket import Product, Quote
from orders.quotes import QuoteUnavailable

QUOTE_SECONDS = 0.3
"""What a customer waits for a discount at most. Pricing itself stops looking for a cheaper combination before."""
METHOD = "/shop.pricing.v1.Pricing/Quote"

log = structlog.get_logger(__name__)


class PricingClient:
    def __init__(self, url: str) -> None:
        self._client = GrpcClient("pricing", url, timeout_seconds=QUOTE_SECONDS)

    async def quote(self, lines: Sequence[tuple[Product, int]], coupons: Sequence[str]) -> Quote:
        request = pricing_pb2.QuoteRequest(lines=[_line(*line) for line in lines], coupons=coupons)
        try:
            answer = await self._client.call(METHOD, request, pricing_pb2.QuoteResponse)
        except CalleeUnavailableError as error:
            raise QuoteUnavailable("no answer") from error
        except GrpcRefusedError as error:
            # We ask for what we have checked ourselves: one of the two is wrong.
            log.error("quote_refused", code=error.code, detail=error.message)
            raise QuoteUnavailable("refused") from error
        return Quote(
            list_total=_amount(answer.list_total),
            discounts=[(each.promotion, each.label, _amount(each.amount)) for each in answer.discounts],
            total=_amount(answer.total),
        )

    async def close(self) -> None:
        await self._client.close()


def _line(product: Product, quantity: int) -> pricing_pb2.Line:
    price = product.list_price
    return pricing_pb2.Line(
        sku=product.sku,
        category=product.category,
        quantity=quantity,
        list_price=pricing_pb2.Money(amount=price.amount, currency=price.currency),
    )


def _amount(money: pricing_pb2.Money) -> tuple[int, str]:
    return money.amount, money.currency
