"""The REST interface: reads requests, calls use cases, writes answers. Only this layer knows status codes."""

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Annotated, Any

from chassis.auth import Principal, staff
from chassis.database import Database
from chassis.money import Money
from chassis.pages import DEFAULT_LIMIT, Cursor, CursorText, Limit, Page
from chassis.problems import problem_responses
from fastapi import APIRouter, Header, Path, Query, Response
from pydantic import BaseModel, TypeAdapter

from catalog import handlers
from catalog.domain import CATEGORY_PATTERN, MAX_SEARCH, SKU_PATTERN, Category, Content, OutdatedVersion, Product, Sku

ERRORS: Mapping[type[Exception], tuple[int, str]] = {
    handlers.ProductNotFound: (404, "No such product"),
    handlers.ChangedMeanwhile: (409, "Product changed meanwhile"),
    OutdatedVersion: (412, "Product has changed"),
}
MAX_AGE_SECONDS = 60
"""How long a browser or a proxy may show what it has: so old is the oldest product that anybody sees here."""

_CACHED = {"Cache-Control": f"public, max-age={MAX_AGE_SECONDS}"}
CURSOR: Cursor[str] = Cursor(Sku)

SkuPath = Annotated[str, Path(pattern=SKU_PATTERN, examples=["TEA-GREEN-100"])]
IfNoneMatch = Annotated[str | None, Header(description="The `ETag` you have; 304 if still right.")]
IfMatch = Annotated[
    str | None, Header(description="The `ETag` of what you mean to replace, or `*`; 412 when it is another by now.")
]


class ProductDocument(BaseModel):
    """A product as everybody sees it."""

    sku: Sku
    name: str
    description: str
    category: Category
    list_price: Money
    active: bool
    version: int


_PAGE: TypeAdapter[Page[ProductDocument]] = TypeAdapter(Page[ProductDocument])


def router(database: Database) -> APIRouter:
    routes = APIRouter(tags=["products"])
    _add_queries(routes, database)
    _add_command(routes, database)
    return routes


def _add_queries(routes: APIRouter, database: Database) -> None:
    @routes.get(
        "/products",
        summary="List and search products",
        response_model=Page[ProductDocument],
        responses=_cached_responses() | problem_responses(400, 422, 503),
    )
    async def listed(
        search: Annotated[
            str | None,
            Query(
                min_length=1,
                max_length=MAX_SEARCH,
                description='Words, "a phrase", -without, or; in English. Or the beginning of a SKU.',
                examples=["green tea"],
            ),
        ] = None,
        category: Annotated[str | None, Query(pattern=CATEGORY_PATTERN, examples=["tea"])] = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: CursorText = None,
        if_none_match: IfNoneMatch = None,
    ) -> Response:
        """Active products in the order of their SKUs. Products added while you turn the pages do not move the rest."""
        found = await handlers.page(
            database, search=search, category=category, after=CURSOR.decode(cursor), limit=limit + 1
        )
        page = CURSOR.page([_document(product) for product in found], limit, lambda document: document.sku)
        return _cached(_PAGE.dump_json(page), if_none_match)

    @routes.get(
        "/products/{sku}",
        summary="Read a product",
        response_model=ProductDocument,
        responses=_cached_responses() | problem_responses(404, 422, 503),
    )
    async def read(sku: SkuPath, if_none_match: IfNoneMatch = None) -> Response:
        """An active product; 404 for one that is not."""
        product = await handlers.find(database, sku)
        return _cached(_body(product), if_none_match)


def _add_command(routes: APIRouter, database: Database) -> None:
    etag = {"ETag": _described("Changes with the content.")}
    location = {"Location": _described("The product's path.")}

    @routes.put(
        "/products/{sku}",
        summary="Add or change a product",
        response_model=ProductDocument,
        responses={
            200: {"headers": etag},
            201: {"headers": etag | location, "description": "Added.", "model": ProductDocument},
            **problem_responses(400, 401, 403, 409, 412, 413, 415, 422, 503),
        },
    )
    async def put(
        _: Annotated[Principal, staff("catalog/write")], sku: SkuPath, wanted: Content, if_match: IfMatch = None
    ) -> Response:
        """Makes the product what the body says. The same again changes nothing, and is no error with an old `If-Match`.

        A product is never deleted: `active: false` takes it out of the shop.
        """
        product, new = await handlers.put(database, sku=sku, content=wanted, replaceable=_matches(if_match))
        body = _body(product)
        headers = {"ETag": _etag(body)} | ({"Location": f"/products/{sku}"} if new else {})
        return Response(body, 201 if new else 200, headers, "application/json")


def _matches(if_match: str | None) -> Callable[[Product], bool] | None:
    """Whether a product is one that If-Match names; a weak tag names none."""
    if if_match is None:
        return None
    named = [tag.strip() for tag in if_match.split(",")]
    return lambda product: named == ["*"] or _etag(_body(product)) in named


def _cached(body: bytes, if_none_match: str | None) -> Response:
    etag = _etag(body)
    headers = _CACHED | {"ETag": etag}
    known = [tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")]
    if etag in known or known == ["*"]:
        return Response(None, 304, headers)
    return Response(body, 200, headers, "application/json")


def _etag(body: bytes) -> str:
    """Of the bytes and not of the version: another release of this service may write the same product differently."""
    return f'"{sha256(body).hexdigest()[:32]}"'


def _body(product: Product) -> bytes:
    return _document(product).model_dump_json().encode()


def _document(product: Product) -> ProductDocument:
    # Not validated again: this is what every request to the public waits for.
    content = product.content
    return ProductDocument.model_construct(
        sku=product.sku,
        name=content.name,
        description=content.description,
        category=content.category,
        list_price=content.list_price,
        active=content.active,
        version=product.version,
    )


def _described(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


def _cached_responses() -> dict[int | str, dict[str, Any]]:
    headers = {"ETag": _described("Changes with the content."), "Cache-Control": _described("How long it may be kept.")}
    return {
        200: {"headers": headers},
        304: {"description": "Not changed since `If-None-Match`.", "headers": headers},
    }
