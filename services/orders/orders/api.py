"""The HTTP interface: reads requests, calls use cases, writes answers. Only this layer knows status codes."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from chassis.auth import Principal, caller
from chassis.database import Database
from chassis.messages import Event
from chassis.models import RequestModel
from chassis.money import Money
from chassis.pages import DEFAULT_LIMIT, Cursor, CursorText, Limit, Page
from chassis.problems import Problem, problem_responses
from chassis.text import LINE
from fastapi import APIRouter, Depends, Header, Path, Request, Response
from pydantic import BaseModel, Field, StringConstraints

from orders import handlers, queries
from orders.domain.basket import Discount, Line, NewOrder, OrderRefused, PaymentMethod, PricedBy
from orders.domain.order import MAX_REASON, Cancellation, Order, Status
from orders.domain.saga import NotCancellable
from orders.placing import KeyReused, OrderPlacement, StillInProgress

ERRORS: Mapping[type[Exception], tuple[int, str]] = {
    OrderRefused: (422, "Order refused"),
    NotCancellable: (409, "Order cannot be cancelled"),
    handlers.OrderNotFound: (404, "No such order"),
    handlers.ChangedMeanwhile: (409, "Order changed meanwhile"),
    KeyReused: (422, "Idempotency-Key used before"),
}

Reader = Annotated[Principal, caller("orders/read")]
Writer = Annotated[Principal, caller("orders/write")]
OrderId = Annotated[UUID, Path(alias="id")]

_CURSOR = Cursor(UUID)
_RETRY_AFTER_SECONDS = 1
_KEY = re.compile(r"[!-~]{1,255}")
_KEY_PARAMETER: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "Chosen by the client, best as a UUID, and sent again with every repetition of this request.",
    "schema": {"type": "string", "pattern": f"^{_KEY.pattern}$"},
}


Reason = Annotated[str, StringConstraints(min_length=1, max_length=MAX_REASON), LINE]


class CancellationRequest(RequestModel):
    reason: Reason | None = Field(default=None, examples=["ordered twice"])


class OrderDocument(BaseModel):
    """An order as its customer sees it. `total` is the sum of the lines less the discounts."""

    id: UUID
    status: Status
    lines: tuple[Line, ...]
    discounts: tuple[Discount, ...]
    total: Money
    priced_by: PricedBy = Field(description="`list`: at list prices, because the promotions could not be asked.")
    payment_method: PaymentMethod
    placed_at: datetime
    cancellation: Cancellation | None


class HistoryItem(BaseModel):
    """A step of an order. Not every version of an order has one."""

    version: int
    type: str = Field(examples=["order.reserved"])
    occurred_at: datetime
    data: dict[str, Any]


class History(BaseModel):
    items: list[HistoryItem]


async def idempotency_key(request: Request) -> str:
    """The key of the request. Read here and not by FastAPI, which would answer 422 where the draft wants 400."""
    given = request.headers.getlist("idempotency-key")
    if len(given) != 1 or not _KEY.fullmatch(given[0]):
        detail = "One Idempotency-Key header is needed, of 1 to 255 visible ASCII characters."
        raise Problem(400, "Idempotency-Key needed", detail)
    return given[0]


def router(database: Database, placement: OrderPlacement) -> APIRouter:
    routes = APIRouter(tags=["orders"])
    _add_commands(routes, database, placement)
    _add_queries(routes, database)
    return routes


def _add_commands(routes: APIRouter, database: Database, placement: OrderPlacement) -> None:
    headers = {
        "Location": {"description": "The order's path.", "schema": {"type": "string"}},
        "Idempotency-Replayed": {
            "description": "`true` when the order was placed by an earlier request with this key.",
            "schema": {"type": "string", "const": "true"},
        },
    }

    @routes.post(
        "/orders",
        status_code=201,
        summary="Place an order",
        responses={201: {"headers": headers}, **problem_responses(400, 401, 403, 409, 413, 415, 422, 503)},
        openapi_extra={"parameters": [_KEY_PARAMETER]},
    )
    async def place(
        principal: Writer, key: Annotated[str, Depends(idempotency_key)], wanted: NewOrder, response: Response
    ) -> OrderDocument:
        """Places an order, once for each key: to repeat the request is safe and answers the same again.

        The prices are the catalogue's, less the promotions that apply. A key is kept for 24 hours at least. The same
        key with another order is refused.
        """
        try:
            order, replayed = await placement.place(customer_id=principal.subject, wanted=wanted, key=key)
        except StillInProgress as error:
            retry = {"Retry-After": str(_RETRY_AFTER_SECONDS)}
            raise Problem(409, "Request in progress", str(error), headers=retry) from error
        response.headers["Location"] = f"/orders/{order.id}"
        if replayed:
            response.headers["Idempotency-Replayed"] = "true"
        return _document(order)

    @routes.post(
        "/orders/{id}/cancellation",
        summary="Cancel an order",
        responses=problem_responses(400, 401, 403, 404, 409, 413, 415, 422, 503),
    )
    async def cancel(principal: Writer, order_id: OrderId, wanted: CancellationRequest | None = None) -> OrderDocument:
        """Cancels an order that is not confirmed yet. To cancel it again changes nothing and answers the same.

        What was paid comes back: until then the order is `cancelling`.
        """
        order = await handlers.cancel(
            database,
            customer_id=principal.subject,
            order_id=order_id,
            reason=wanted.reason if wanted else None,
        )
        return _document(order)


def _add_queries(routes: APIRouter, database: Database) -> None:
    @routes.get("/orders", summary="List your orders", responses=problem_responses(400, 401, 403, 422, 503))
    async def newest(
        principal: Reader, limit: Limit = DEFAULT_LIMIT, cursor: CursorText = None, status: Status | None = None
    ) -> Page[OrderDocument]:
        """Your own orders, newest first. Orders placed while you turn the pages do not move the later ones."""
        found = await queries.newest(
            database,
            customer_id=principal.subject,
            status=status,
            older_than=_CURSOR.decode(cursor),
            limit=limit + 1,
        )
        return _CURSOR.page([_document(order) for order in found], limit, lambda document: document.id)

    etag_header = {"ETag": {"description": "Changes with the order.", "schema": {"type": "string"}}}

    @routes.get(
        "/orders/{id}",
        summary="Read an order",
        response_model=OrderDocument,
        responses={
            200: {"headers": etag_header},
            304: {"description": "Not changed since `If-None-Match`.", "headers": etag_header},
            **problem_responses(401, 403, 404, 422, 503),
        },
    )
    async def read(
        principal: Reader,
        order_id: OrderId,
        response: Response,
        if_none_match: Annotated[str | None, Header(description="The `ETag` you have; 304 if still right.")] = None,
    ) -> OrderDocument | Response:
        """One of your own orders."""
        order = await queries.find(database, customer_id=principal.subject, order_id=order_id)
        etag = f'"{order.version}"'
        if etag in [tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")]:
            return Response(status_code=304, headers={"ETag": etag})
        response.headers["ETag"] = etag
        return _document(order)

    @routes.get(
        "/orders/{id}/history",
        summary="Read what happened to an order",
        responses=problem_responses(401, 403, 404, 422, 503),
    )
    async def history(principal: Reader, order_id: OrderId) -> History:
        """What happened to one of your own orders, from the beginning."""
        events = await queries.timeline(database, customer_id=principal.subject, order_id=order_id)
        return History(items=[_step(event) for event in events])


def _document(order: Order) -> OrderDocument:
    basket = order.basket
    return OrderDocument(
        id=order.id,
        status=order.status,
        lines=basket.lines,
        discounts=basket.discounts,
        total=basket.total,
        priced_by=basket.priced_by,
        payment_method=order.payment_method,
        placed_at=order.placed_at,
        cancellation=order.cancellation,
    )


def _step(event: Event) -> HistoryItem:
    data = {name: value for name, value in event.data.items() if name not in ("order_id", "customer_id")}
    return HistoryItem(version=event.sequence, type=event.type, occurred_at=event.occurred_at, data=data)
