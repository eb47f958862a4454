"""Pricing and inventory as the tests steer them: real servers on loopback."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
from aiohttp import web
from catalog import pricing_pb2

HANG = "hang"


class Pricing:
    """A gRPC server. Prices are list prices, less the promotions; or `instead` says what happens.

    meets: whom to wait for before each answer.
    away_for: the number of calls that meet a restart.
    instead: a status to refuse with; HANG; or what makes another answer of the right one.
    """

    def __init__(self) -> None:
        self.requests: list[pricing_pb2.PricesRequest] = []
        self.request_ids: list[str | bytes | None] = []
        self.meets: asyncio.Barrier | None = None
        self.away_for = 0
        self.promotions: dict[str, tuple[str, int]] = {}
        self.instead: (
            grpc.StatusCode | str | Callable[[pricing_pb2.PricesResponse], pricing_pb2.PricesResponse | bytes] | None
        ) = None

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        """The URL."""
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(self._prices)
        server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler("shop.pricing.v1.Pricing", {"Prices": handler})]
        )
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            await server.stop(None)

    @property
    def asked(self) -> list[list[str]]:
        """The SKUs of each call."""
        return [[line.sku for line in request.lines] for request in self.requests]

    async def _prices(self, body: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        request = pricing_pb2.PricesRequest.FromString(body)
        self.requests.append(request)
        self.request_ids.append(dict(context.invocation_metadata() or ()).get("x-request-id"))
        if self.meets is not None:
            await self.meets.wait()
        if self.away_for:
            self.away_for -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE)
        answer: pricing_pb2.PricesResponse | bytes = pricing_pb2.PricesResponse(
            prices=[self._price(line) for line in request.lines]
        )
        match self.instead:
            case grpc.StatusCode() as code:
                await context.abort(code, "secret of pricing")
            case str():
                await asyncio.Event().wait()
            case None:
                pass
            case change:
                assert isinstance(answer, pricing_pb2.PricesResponse)
                answer = change(answer)
        return answer if isinstance(answer, bytes) else answer.SerializeToString()

    def _price(self, line: pricing_pb2.Line) -> pricing_pb2.Price:
        promotion, amount = self.promotions.get(line.sku, ("", line.list_price.amount))
        price = pricing_pb2.Money(amount=amount, currency=line.list_price.currency)
        return pricing_pb2.Price(sku=line.sku, list_price=line.list_price, price=price, promotion=promotion)


class Inventory:
    """An HTTP server. `available` is what there is of each SKU; or `instead` says what happens.

    meets: whom to wait for before each answer.
    away_for: the number of calls that meet a restart.
    instead: a status and a body; HANG; or what makes another document of the right one.
    """

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.meets: asyncio.Barrier | None = None
        self.away_for = 0
        self.request_ids: list[str | None] = []
        self.available: dict[str, int] = {}
        self.instead: tuple[int, str] | str | Callable[[dict[str, Any]], Any] | None = None

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        """The URL."""
        app = web.Application()
        app.router.add_get("/internal/stock", self._stock)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()

    async def _stock(self, request: web.Request) -> web.Response:
        skus = request.query.getall("sku")
        self.asked.append(skus)
        self.request_ids.append(request.headers.get("X-Request-Id"))
        if self.meets is not None:
            await self.meets.wait()
        if self.away_for:
            self.away_for -= 1
            return web.Response(status=503)
        known = [{"sku": sku, "available": self.available[sku]} for sku in skus if sku in self.available]
        match self.instead:
            case (status, body):
                return web.Response(status=status, text=body, content_type="application/json")
            case str():
                await asyncio.Event().wait()
            case None:
                pass
            case change:
                return web.json_response(change({"items": known}))
        return web.json_response({"items": known})
