"""The shop as a person uses it: through its URL, and in no other way."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import httpx

from tools.sign_in import sign_in

SIGN_UP_SECONDS = 30
TEA = {"sku": "TEA-1", "quantity": 2, "unit_price": {"amount": 450, "currency": "EUR"}}


@dataclass(frozen=True)
class Shop:
    """An environment by the outputs of its stack: url, authorize_url, token_url, callback_url, client_id, scopes."""

    outputs: Mapping[str, Any]

    @property
    def url(self) -> str:
        return str(self.outputs["url"])

    def newcomer(self) -> "Person":
        """Somebody who has just signed up."""
        person = Person(self, f"person-{secrets.token_hex(6)}@example.com", secrets.token_urlsafe(16))
        body = {"email": person.email, "password": person.password, "name": "Ada"}
        deadline = time.monotonic() + SIGN_UP_SECONDS
        while (answer := httpx.post(f"{self.url}/users", json=body, timeout=30)).status_code == 429:
            assert time.monotonic() < deadline, answer.text
            time.sleep(int(answer.headers["Retry-After"]))  # as a well-behaved client does
        assert answer.status_code == 201, answer.text
        return person


@dataclass(frozen=True)
class Person:
    shop: Shop
    email: str
    password: str

    @cached_property
    def token(self) -> str:
        return self.token_with(self.shop.outputs["scopes"])

    def token_with(self, scopes: list[str]) -> str:
        return sign_in(self.shop.outputs, self.email, self.password, scopes)

    def request(self, method: str, path: str, token: str | None = None, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token or self.token}", **options.pop("headers", {})}
        return httpx.request(method, f"{self.shop.url}{path}", headers=headers, timeout=30, **options)

    def place_order(self, key: str | None = None, **options: Any) -> httpx.Response:
        headers = {"Idempotency-Key": key or secrets.token_hex(8)} | options.pop("headers", {})
        return self.request("POST", "/orders", headers=headers, **({"json": {"lines": [TEA]}} | options))

    def notifications(self) -> list[dict[str, Any]]:
        """The whole activity log, newest first."""
        entries: list[dict[str, Any]] = []
        cursor = None
        while True:
            page = self.request("GET", "/notifications", params={"limit": 100} | ({"cursor": cursor} if cursor else {}))
            assert page.status_code == 200, page.text
            entries += page.json()["items"]
            cursor = page.json()["next_cursor"]
            if cursor is None:
                return entries
