"""The pricing service as it is asked for a quote: by gRPC, and not for long."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import grpc.aio
import httpx
import pytest
from chassis.app import create_app
from chassis.money import Money
from orders import pricing_client, pricing_pb2
from orders.bootstrap import OrdersSettings, service
from orders.domain.basket import Product, Quote
from orders.pricing_client import PricingClient
from orders.quotes import QuoteUnavailable
from structlog.testing import capture_logs

from tests.tokens import Issuer

TEA = Product(sku="TEA", name="Green tea", category="tea", list_price=Money(amount=250, currency="EUR"), active=True)
Answer = Callable[[pricing_pb2.QuoteRequest, "Context"], Awaitable[pricing_pb2.QuoteResponse]]
Context = grpc.aio.ServicerContext[pricing_pb2.QuoteRequest, pricing_pb2.QuoteResponse]


def euros(amount: int) -> pricing_pb2.Money:
    return pricing_pb2.Money(amount=amount, currency="EUR")


class Callee:
    """A gRPC server that answers as a test wants it to."""

    def __init__(self) -> None:
        self.asked: list[pricing_pb2.QuoteRequest] = []
        self.answer: Answer = self.ten_percent
        self.url = ""

    async def handle(self, request: pricing_pb2.QuoteRequest, context: Context) -> pricing_pb2.QuoteResponse:
        self.asked.append(request)
        return await self.answer(request, context)

    @staticmethod
    async def ten_percent(_: pricing_pb2.QuoteRequest, __: Context) -> pricing_pb2.QuoteResponse:
        off = pricing_pb2.Discount(promotion="ten", label="Ten percent", amount=euros(50), skus=["TEA"])
        return pricing_pb2.QuoteResponse(list_total=euros(500), discounts=[off], total=euros(450), optimal=True)


@pytest.fixture
async def callee() -> AsyncIterator[Callee]:
    callee = Callee()
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    quote = grpc.unary_unary_rpc_method_handler(
        callee.handle,
        request_deserializer=pricing_pb2.QuoteRequest.FromString,
        response_serializer=pricing_pb2.QuoteResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("shop.pricing.v1.Pricing", {"Quote": quote})])
    callee.url = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    yield callee
    await server.stop(None)


@pytest.fixture
async def prices(callee: Callee, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PricingClient]:
    monkeypatch.setattr(pricing_client, "QUOTE_SECONDS", 30)
    prices = PricingClient(callee.url)
    yield prices
    await prices.close()


async def test_a_quote_is_asked_for_with_all_that_promotions_look_at(prices: PricingClient, callee: Callee) -> None:
    quote = await prices.quote([(TEA, 2)], ["TEN"])

    assert quote == Quote(list_total=(500, "EUR"), discounts=[("ten", "Ten percent", (50, "EUR"))], total=(450, "EUR"))
    line = pricing_pb2.Line(sku="TEA", category="tea", quantity=2, list_price=euros(250))
    assert callee.asked == [pricing_pb2.QuoteRequest(lines=[line], coupons=["TEN"])]


async def test_a_refusal_is_an_error_in_the_log_and_no_quote(prices: PricingClient, callee: Callee) -> None:
    async def refuse(_: pricing_pb2.QuoteRequest, context: Context) -> pricing_pb2.QuoteResponse:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no lines")
        raise AssertionError

    callee.answer = refuse
    with capture_logs() as logs, pytest.raises(QuoteUnavailable):
        await prices.quote([(TEA, 2)], [])

    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("quote_refused", "error")]


async def test_an_order_waits_no_longer_for_its_discounts_than_it_may(
    settings: OrdersSettings, callee: Callee, tokens: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(_: pricing_pb2.QuoteRequest, __: Context) -> pricing_pb2.QuoteResponse:
        await asyncio.Event().wait()
        raise AssertionError

    async def ordered(quote_seconds: float) -> tuple[str, int]:
        monkeypatch.setattr(pricing_client, "QUOTE_SECONDS", quote_seconds)
        app = create_app(replace(service(settings.model_copy(update={"pricing_url": callee.url})), workers=()))
        token = tokens.token("ada", ["orders/write"])
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": str(quote_seconds)}
        transport = httpx.ASGITransport(app=app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://orders", headers=headers) as client,
        ):
            answer = await client.post("/orders", json={"lines": [{"sku": "TEA", "quantity": 2}]})
        return answer.json()["priced_by"], answer.json()["total"]["amount"]

    assert await ordered(quote_seconds=30) == ("promotions", 450)
    callee.answer = hang
    assert await ordered(quote_seconds=0.1) == ("list", 500)
