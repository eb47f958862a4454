"""The people of the tests, and what happens to them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
from chassis.messages import Event
from chassis.table import Table
from chassis.table_inbox import TableInbox
from notifications.subscriptions import HANDLERS

NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=30)
PRICE = {"amount": 1250, "currency": "EUR"}


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


async def record(table: Table, *events: Event) -> None:
    """Hands each event to its handler, as the consumer does."""
    for event in events:
        await TableInbox(table).handle([(event, HANDLERS[event.type])])


def signed_up(person: Person, name: str = "Ada", **envelope: Any) -> Event:
    data = {"user_id": person.id, "email": "ada@example.com", "name": name}
    return _event("user.created", person.id, 1, data, **envelope)


def placed(person: Person, order_id: str, **envelope: Any) -> Event:
    lines = [{"sku": "TEA", "quantity": 1, "unit_price": PRICE}]
    data = {"order_id": order_id, "customer_id": person.id, "lines": lines, "total": PRICE}
    return _event("order.placed", f"{order_id} of {person.id}", 1, data, **envelope)


def confirmed(person: Person, order_id: str, **envelope: Any) -> Event:
    data = {"order_id": order_id, "customer_id": person.id, "total": PRICE}
    return _event("order.confirmed", f"{order_id} of {person.id}", 4, data, **envelope)


def cancelled(
    person: Person, order_id: str, cause: str = "customer", reason: str | None = None, **envelope: Any
) -> Event:
    data = {"order_id": order_id, "customer_id": person.id, "cause": cause, "reason": reason}
    return _event("order.cancelled", f"{order_id} of {person.id}", 2, data, **envelope)


def told_again(event: Event, **envelope: Any) -> Event:
    """The same fact under a new id."""
    return event.model_copy(update={"id": uuid4()} | envelope)


def _event(event_type: str, aggregate_id: str, sequence: int, data: dict[str, Any], **envelope: Any) -> Event:
    """envelope: fields of Event that are to be others."""
    return Event.model_validate(
        {
            "id": uuid4(),
            "type": event_type,
            "source": {"user": "users", "order": "orders"}[event_type.partition(".")[0]],
            "aggregate_id": aggregate_id,
            "sequence": sequence,
            "occurred_at": NOON,
            "data": data,
        }
        | envelope
    )
