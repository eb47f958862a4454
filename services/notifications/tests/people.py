"""The people of the tests, and what happens to them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
from chassis.messages import Event

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Person:
    """A person with a token, who reads their log."""

    id: str
    http: httpx.AsyncClient

    async def read(self, **query: Any) -> httpx.Response:
        return await self.http.get("/notifications", params=query)

    async def texts(self, **query: Any) -> list[str]:
        answer = await self.read(**query)
        assert answer.status_code == 200, answer.text
        return [item["text"] for item in answer.json()["items"]]

    async def pages(self, **query: Any) -> list[list[str]]:
        """The texts of every page, following the cursors to the end."""
        pages = []
        while True:
            document = (await self.read(**query)).json()
            pages.append([item["text"] for item in document["items"]])
            if document["next_cursor"] is None:
                return pages
            query["cursor"] = document["next_cursor"]


def signed_up(person: Person, name: str = "Ada", *, at: datetime = NOON, event_id: UUID | None = None) -> Event:
    return _event("user.created", at, event_id, user_id=person.id, email="ada@example.com", name=name)


def placed(person: Person, order_id: str, *, at: datetime = NOON, event_id: UUID | None = None) -> Event:
    price = {"amount": 1250, "currency": "EUR"}
    lines = [{"sku": "TEA", "quantity": 1, "unit_price": price}]
    return _event("order.placed", at, event_id, order_id=order_id, customer_id=person.id, lines=lines, total=price)


def cancelled(
    person: Person, order_id: str, reason: str | None = None, *, at: datetime = NOON, event_id: UUID | None = None
) -> Event:
    return _event("order.cancelled", at, event_id, order_id=order_id, customer_id=person.id, reason=reason)


def _event(event_type: str, at: datetime, event_id: UUID | None, **data: Any) -> Event:
    source = {"user": "users", "order": "orders"}[event_type.partition(".")[0]]
    aggregate = str(data.get("order_id") or data["user_id"])
    return Event(
        id=event_id or uuid4(),
        type=event_type,
        source=source,
        aggregate_id=aggregate,
        sequence=1,
        occurred_at=at,
        data=data,
    )
