"""The HTTP interface: reads requests, calls use cases, writes answers. Only this layer knows status codes."""

from collections.abc import Mapping
from typing import Annotated

from chassis.auth import Principal, caller, staff
from chassis.database import Database
from chassis.models import RequestModel
from chassis.problems import problem_responses
from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from inventory import handlers
from inventory.domain import MAX_ON_HAND
from inventory.events import SKU_PATTERN, Sku

MAX_SKUS = 100

ERRORS: Mapping[type[Exception], tuple[int, str]] = {
    handlers.StockNotFound: (404, "Not in stock"),
    handlers.BelowReserved: (409, "Below what is reserved"),
}

SkuPath = Annotated[str, Path(pattern=SKU_PATTERN, examples=["TEA-GREEN-100"])]


class NewStock(RequestModel):
    on_hand: int = Field(strict=True, ge=0, le=MAX_ON_HAND, description="Pieces in the house, reserved or not.")


class StockDocument(BaseModel):
    """The pieces of one article."""

    model_config = ConfigDict(from_attributes=True)

    sku: Sku
    on_hand: int
    reserved: int = Field(description="How many of them are set aside for orders that are not paid yet.")
    available: int = Field(description="What the next order may take.")


class Availability(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    sku: Sku
    available: int


class Availabilities(BaseModel):
    items: list[Availability]


def router(database: Database) -> APIRouter:
    routes = APIRouter(tags=["stock"])

    @routes.get(
        "/stock/{sku}", summary="Read the stock of an article", responses=problem_responses(401, 403, 404, 422, 503)
    )
    async def read(_: Annotated[Principal, caller("inventory/read")], sku: SkuPath) -> StockDocument:
        return StockDocument.model_validate(await handlers.find(database, sku))

    @routes.put(
        "/stock/{sku}",
        summary="Set the stock of an article",
        responses={
            201: {"model": StockDocument, "description": "The article is new."},
            **problem_responses(400, 401, 403, 409, 413, 415, 422, 503),
        },
    )
    async def write(
        _: Annotated[Principal, staff("inventory/write")], sku: SkuPath, wanted: NewStock, response: Response
    ) -> StockDocument:
        """Says how many pieces there are. For the staff of the shop; not below what is reserved."""
        stock, new = await handlers.set_on_hand(database, sku, wanted.on_hand)
        if new:
            response.status_code = 201
        return StockDocument.model_validate(stock)

    # Not in the document, which is of what the gateway routes: only other services may come here (see README).
    @routes.get("/internal/stock", include_in_schema=False)
    async def availability(
        skus: Annotated[list[Sku], Query(alias="sku", min_length=1, max_length=MAX_SKUS)],
    ) -> Availabilities:
        found = await handlers.find_all(database, skus)
        return Availabilities(items=[Availability.model_validate(one) for one in found])

    return routes
