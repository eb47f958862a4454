"""The shop as people use it: through its URL, and in no other way."""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import httpx

from shop import oauth
from shop.documents import FINAL
from shop.outputs import Outputs
from shop.staff import add_to_staff
from tests.fixtures import wait_for

T = TypeVar("T")

BUSY_SECONDS = 30
SETTLED_SECONDS = 60
NEWS_SECONDS = 30
"""How long what happened in one service may take to be known in the next, on a busy machine."""
PRICE = 450
TEA = {"sku": "E2E-TEA", "quantity": 2}
"""A line of an order of what is always there: at PRICE each, in no promotion."""
CATEGORY = "e2e"
PLENTY = 1_000_000


@dataclass(frozen=True)
class Shop:
    """An environment by the outputs of its stack."""

    outputs: Mapping[str, Any]

    @property
    def url(self) -> str:
        return str(self.outputs["url"])

    @property
    def priced_by(self) -> str:
        """What prices an order when everything runs: this machine may have nothing to build pricing with."""
        return "list" if "pricing" in self.outputs.get("missing", {}) else "promotions"

    @cached_property
    def known(self) -> Outputs:
        return Outputs.model_validate(self.outputs)

    def newcomer(self) -> "Person":
        """Somebody who has just signed up."""
        person = Person(self, f"person-{secrets.token_hex(6)}@example.com", secrets.token_urlsafe(16))
        body = {"email": person.email, "password": person.password, "name": "Ada"}
        deadline = time.monotonic() + BUSY_SECONDS
        while (answer := httpx.post(f"{self.url}/users", json=body, timeout=30)).status_code == 429:
            assert time.monotonic() < deadline, answer.text
            time.sleep(int(answer.headers["Retry-After"]))  # as a well-behaved client does
        assert answer.status_code == 201, answer.text
        return person

    @cached_property
    def staff(self) -> "Person":
        """Somebody who may change products and stock."""
        person = self.newcomer()
        add_to_staff(self.known, person.email)
        return person

    def opened(self) -> "Shop":
        """With TEA on the shelves, as much of it as the tests can want."""
        self.offer(str(TEA["sku"]), on_hand=PLENTY)
        return self

    def new_product(self, *, on_hand: int, category: str = CATEGORY, price: int = PRICE) -> str:
        """The SKU of a product that nobody else orders."""
        sku = f"E2E-{secrets.token_hex(6).upper()}"
        self.offer(sku, on_hand=on_hand, category=category, price=price)
        return sku

    def offer(self, sku: str, *, on_hand: int, category: str = CATEGORY, price: int = PRICE) -> None:
        """Puts a product on the shelves; returns when it can be ordered."""
        product = {
            "name": f"Tea {sku}",
            "description": "For the tests of the whole system.",
            "category": category,
            "list_price": {"amount": price, "currency": "EUR"},
            "active": True,
        }
        answer = self.staff.request("PUT", f"/products/{sku}", json=product)
        assert answer.status_code in (200, 201), answer.text
        stocked = self.staff.request("GET", f"/stock/{sku}")
        if stocked.status_code == 404:
            self._wait_until_known(sku)
            set_ = self.staff.request("PUT", f"/stock/{sku}", json={"on_hand": on_hand})
            assert set_.status_code in (200, 201), set_.text

    def _wait_until_known(self, sku: str) -> None:
        """Until orders knows the product: it accepts an order then. There is no stock yet, so nothing comes of it."""
        line = {"sku": sku, "quantity": 1}
        placed = waited_for(
            lambda: self.staff.order(line), lambda seen: seen.status_code != 422, NEWS_SECONDS, f"orders knows {sku}"
        )
        assert placed.status_code == 201, placed.text
        assert self.staff.ended(placed.json()["id"])["status"] == "cancelled"

    def stock(self, sku: str) -> tuple[int, int]:
        """How many pieces are on hand, and how many of them are reserved."""
        answer = self.staff.request("GET", f"/stock/{sku}")
        assert answer.status_code == 200, answer.text
        return answer.json()["on_hand"], answer.json()["reserved"]

    def storefront(self, sku: str) -> dict[str, Any]:
        """Price and stock of a product, as GraphQL has them."""
        query = """query($sku: String!) {
          product(sku: $sku) { price { amount promotion source } stock { available source } }
        }"""
        body = {"query": query, "variables": {"sku": sku}}
        answer = httpx.post(f"{self.url}/graphql", json=body, timeout=30)
        assert answer.status_code == 200, answer.text
        return dict(answer.json()["data"]["product"])


@dataclass(frozen=True)
class Person:
    shop: Shop
    email: str
    password: str

    @cached_property
    def token(self) -> str:
        return self.token_with(self.shop.outputs["scopes"])

    def token_with(self, scopes: list[str]) -> str:
        return oauth.sign_in(self.shop.known, self.email, self.password, scopes).access_token

    def request(self, method: str, path: str, token: str | None = None, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token or self.token}", **options.pop("headers", {})}
        return httpx.request(method, f"{self.shop.url}{path}", headers=headers, timeout=30, **options)

    def order(
        self, *lines: Mapping[str, Any], pay: str = "card", key: str | None = None, **more: Any
    ) -> httpx.Response:
        """Places an order of these lines, or of TEA."""
        return self.place_order(key, json={"lines": list(lines) or [TEA], "payment_method": pay, **more})

    def place_order(self, key: str | None = None, **options: Any) -> httpx.Response:
        headers = {"Idempotency-Key": key or secrets.token_hex(8)} | options.pop("headers", {})
        return self.request("POST", "/orders", headers=headers, **({"json": {"lines": [TEA]}} | options))

    def placed(self, *lines: Mapping[str, Any], pay: str = "card", **more: Any) -> dict[str, Any]:
        """The order, which has to be accepted."""
        answer = self.order(*lines, pay=pay, **more)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def read(self, order_id: str) -> dict[str, Any]:
        answer = self.request("GET", f"/orders/{order_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def ended(self, order_id: str, deadline_seconds: float = SETTLED_SECONDS) -> dict[str, Any]:
        """The order in its final state."""
        return waited_for(
            lambda: self.read(order_id), lambda read: read["status"] in FINAL, deadline_seconds, f"{order_id} ends"
        )

    def history(self, order_id: str) -> list[str]:
        """What happened to the order: `placed`, `reserved`, ..."""
        answer = self.request("GET", f"/orders/{order_id}/history")
        assert answer.status_code == 200, answer.text
        return [step["type"].removeprefix("order.") for step in answer.json()["items"]]

    def orders(self) -> list[dict[str, Any]]:
        """All of them, newest first."""
        return self._all("/orders")

    def notifications(self) -> list[dict[str, Any]]:
        """The whole activity log, newest first."""
        return self._all("/notifications")

    def told_of(self, reference: str) -> list[str]:
        """The kinds of all entries of the activity log that are about it, sorted."""
        return sorted(entry["kind"] for entry in self.notifications() if entry["reference"] == reference)

    def answers(self, path: str) -> bool:
        """Whether the service of this path is there."""
        return self.request("GET", path).status_code not in (502, 503, 504)

    def _all(self, path: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor = None
        while True:
            page = self.request("GET", path, params={"limit": 100} | ({"cursor": cursor} if cursor else {}))
            assert page.status_code == 200, page.text
            found += page.json()["items"]
            cursor = page.json()["next_cursor"]
            if cursor is None:
                return found


def waited_for(look: Callable[[], T], good: Callable[[T], bool], deadline_seconds: float, what: str) -> T:
    """The first good result of look()."""
    seen: list[T] = []

    def found() -> bool:
        seen[:] = [look()]
        return good(seen[0])

    wait_for(found, deadline_seconds, what)
    return seen[0]
