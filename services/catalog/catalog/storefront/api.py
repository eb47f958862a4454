"""POST /graphql: the one route of GraphQL. Bodies, limits and failures are those of every other route."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any

from chassis.database import Database
from chassis.models import RequestModel
from chassis.problems import Problem, problem_responses
from fastapi import APIRouter, Request, Response
from graphql import GraphQLError
from pydantic import BaseModel, Field, StringConstraints
from strawberry.dataloader import DataLoader
from strawberry.types.execution import ExecutionResult

from catalog import handlers
from catalog.callees import Inventory, Pricing
from catalog.domain import Product
from catalog.storefront.batch_lookups import BatchLookup, LookupScheduler
from catalog.storefront.limits import MAX_TEXT
from catalog.storefront.schema import Context, schema

EXECUTION_SECONDS = 5.0
MAX_MESSAGE = 300
GRAPHQL_JSON = "application/graphql-response+json"

Name = Annotated[str, StringConstraints(pattern=r"^[_A-Za-z][_0-9A-Za-z]{0,99}$")]
Scalar = bool | int | float | Annotated[str, StringConstraints(max_length=1024)] | None


class GraphQLRequest(RequestModel):
    """A query as GraphQL over HTTP has it; one in a body."""

    query: str = Field(min_length=1, max_length=MAX_TEXT, examples=['{product(sku: "TEA-GREEN-100") {name}}'])
    # All input of the schema is scalar.
    variables: dict[Name, Scalar] | None = Field(default=None, max_length=50)
    operation_name: str | None = Field(default=None, alias="operationName", max_length=100)


class Location(BaseModel):
    line: int
    column: int


class ErrorDocument(BaseModel):
    message: str
    locations: list[Location] | None = None
    path: list[str | int] | None = None
    extensions: dict[str, Any] | None = None


class Answer(BaseModel):
    """`data` is absent when the query was refused, and so not executed."""

    data: dict[str, Any] | None = None
    errors: list[ErrorDocument] | None = None


def router(database: Database, pricing: Pricing, inventory: Inventory) -> APIRouter:
    routes = APIRouter(tags=["storefront"])
    answered = {"content": {GRAPHQL_JSON: {"schema": {"$ref": "#/components/schemas/Answer"}}}}
    problems = problem_responses(400, 413, 415, 422, 503)
    refused = {
        "description": "The body is not JSON, or the query is not valid, or too costly.",
        "content": problems[400]["content"] | answered["content"],
        "model": Answer,
    }

    @routes.post(
        "/graphql",
        summary="Ask for products with prices and stock",
        response_model=Answer,
        responses=problems | {200: answered, 400: refused},
    )
    async def graphql(wanted: GraphQLRequest, request: Request) -> Response:
        """Answers one GraphQL query; its schema is in schema.graphql. Without pricing, prices are list prices."""
        async with _context(database, pricing, inventory) as context:
            try:
                async with asyncio.timeout(EXECUTION_SECONDS):
                    result = await schema.execute(
                        wanted.query,
                        variable_values=wanted.variables,
                        context_value=context,
                        operation_name=wanted.operation_name,
                    )
            except TimeoutError:
                raise Problem(503, "Service Unavailable", "The query took too long.") from None
        accepted = request.headers.get("accept", "")
        return _response(result, GRAPHQL_JSON if GRAPHQL_JSON in accepted else "application/json")

    return routes


@asynccontextmanager
async def _context(database: Database, pricing: Pricing, inventory: Inventory) -> AsyncIterator[Context]:
    async def find(skus: list[str]) -> list[Product | None]:
        found = {product.sku: product for product in await handlers.find_all(database, skus)}
        return [found.get(sku) for sku in skus]

    prices, stock = BatchLookup(pricing.prices), BatchLookup(inventory.stock)
    try:
        yield Context(
            database=database,
            products=DataLoader(find),
            prices=prices,
            stock=stock,
            lookups=LookupScheduler(prices, stock),
        )
    finally:
        await asyncio.gather(prices.close(), stock.close())


def _response(result: ExecutionResult, media_type: str) -> Response:
    """200 for what was executed, 400 for what was refused. Raises what only we can be blamed for: 503, or 500."""
    errors = result.errors or []
    for error in errors:
        if error.original_error is not None and not isinstance(error.original_error, GraphQLError):
            raise error.original_error
    executed = result.data is not None or any(error.path for error in errors)
    document: dict[str, Any] = {"data": result.data} if executed else {}
    if errors:
        document["errors"] = _shown(errors)
    return Response(json.dumps(document), 200 if executed else 400, media_type=media_type)


def _shown(errors: Sequence[GraphQLError]) -> list[dict[str, Any]]:
    """As the specification has it. A message may repeat what the caller sent, so it is cut."""
    return [dict(error.formatted) | {"message": error.message[:MAX_MESSAGE]} for error in errors]
