"""What the shop can do, one method each."""

from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from shop.connection import Connection
from shop.documents import Activity, History, Offer, Order, Page, Product
from shop.errors import NotUnderstood, ShopError

PAGE = 100
OFFER = """
query Offer($sku: String!) {
  product(sku: $sku) {
    sku name description category
    list_price: listPrice { amount currency }
    price { amount currency promotion source }
    stock { available source }
  }
}
"""
M = TypeVar("M", bound=BaseModel)


class _Error(BaseModel):
    message: str


class _Found(BaseModel):
    product: Offer | None


class _Answer(BaseModel):
    """What GraphQL over HTTP answers to OFFER."""

    data: _Found | None = None
    errors: list[_Error] | None = None


class Api:
    """One shop, for one person or for nobody.

    Every method raises what `Connection.send` does, NotUnderstood, and ShopError where there is nothing to return.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def sign_up(self, email: str, password: str, name: str) -> None:
        person = {"email": email, "password": password, "name": name}
        self._connection.send("POST", "/users", signed=False, json=person)

    def products(self, search: str | None, category: str | None, limit: int) -> list[Product]:
        """At most `limit`, in the shop's order."""
        wanted = {"search": search, "category": category}
        return self._pages(Page[Product], "/products", limit, wanted, signed=False)

    def product(self, sku: str) -> Product:
        return _read(Product, self._connection.send("GET", _path("products", sku), signed=False))

    def offer(self, sku: str) -> Offer:
        """The product with today's price and its stock."""
        question = {"query": OFFER, "variables": {"sku": sku}}
        answer = _read(_Answer, self._connection.send("POST", "/graphql", signed=False, repeatable=True, json=question))
        if answer.errors:
            raise ShopError(f"the storefront refuses: {answer.errors[0].message}")
        if answer.data is None or answer.data.product is None:
            raise ShopError(f"there is no product {sku}: python -m shop browse")
        return answer.data.product

    def place(self, order: Mapping[str, Any], key: str) -> tuple[Order, bool]:
        """The order of this key, and whether an earlier request has placed it."""
        headers = {"Idempotency-Key": key}
        answer = self._connection.send("POST", "/orders", repeatable=True, json=order, headers=headers)
        return _read(Order, answer), answer.headers.get("Idempotency-Replayed") == "true"

    def orders(self, limit: int) -> list[Order]:
        """At most `limit`, newest first."""
        return self._pages(Page[Order], "/orders", limit, {})

    def order(self, order_id: str) -> Order:
        return _read(Order, self._connection.send("GET", _path("orders", order_id)))

    def history(self, order_id: str) -> History:
        return _read(History, self._connection.send("GET", _path("orders", order_id, "history")))

    def cancel(self, order_id: str, reason: str | None) -> Order:
        path, body = _path("orders", order_id, "cancellation"), {"reason": reason}
        return _read(Order, self._connection.send("POST", path, repeatable=True, json=body))

    def activity(self, limit: int) -> list[Activity]:
        """At most `limit`, newest first."""
        return self._pages(Page[Activity], "/notifications", limit, {})

    def _pages(
        self, kind: type[Page[M]], path: str, limit: int, wanted: Mapping[str, str | None], *, signed: bool = True
    ) -> list[M]:
        found: list[M] = []
        query = {name: value for name, value in wanted.items() if value}
        while len(found) < limit:
            size = min(PAGE, limit - len(found))
            answer = self._connection.send("GET", path, signed=signed, params=query | {"limit": str(size)})
            page = _read(kind, answer)
            found += page.items
            if page.next_cursor is None:
                break
            query["cursor"] = page.next_cursor
        return found


def _path(*parts: str) -> str:
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def _read(model: type[M], answer: httpx.Response) -> M:
    try:
        return model.model_validate_json(answer.content)
    except ValidationError as error:
        found = error.errors()[0]
        where = ".".join(map(str, found["loc"])) or "the document"
        request = f"{answer.request.method} {answer.request.url.path}"
        raise NotUnderstood(f"the shop's answer to {request} is of another version: {where}: {found['msg']}") from None
