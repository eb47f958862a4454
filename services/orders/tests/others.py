"""The services around this one: what they say, what they are told, and promotions that a test decides on."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from chassis import outbox
from chassis.database import Database
from chassis.inbox import SqlInbox
from chassis.messages import Event
from orders.domain.basket import Product, Quote
from orders.subscriptions import HANDLERS

PAYMENT_ID = "0199e1b2-0000-7000-8000-0000000000aa"
PAID = {"payment_id": PAYMENT_ID, "amount": {"amount": 250, "currency": "EUR"}}
SAID: dict[str, dict[str, Any]] = {
    "stock.reserved": {"expires_at": "2026-01-01T12:15:00Z"},
    "stock.rejected": {"reason": "Only 1 of TEA is left.", "short": [{"sku": "TEA", "wanted": 2, "available": 1}]},
    "stock.committed": {},
    "stock.released": {},
    "payment.captured": PAID,
    "payment.declined": {"payment_id": PAYMENT_ID, "reason": "The card was declined."},
    "payment.refunded": PAID,
    "payment.voided": {"payment_id": PAYMENT_ID},
}
"""What inventory and payments say of an order, beside its id."""

TO_RESERVED = ("stock.reserved",)
TO_PAID = (*TO_RESERVED, "payment.captured")
TO_CONFIRMED = (*TO_PAID, "stock.committed")


def said(event_type: str, order_id: UUID, **data: Any) -> Event:
    """A message about an order, under an id of its own."""
    return _event(event_type, str(order_id), 1, {"order_id": str(order_id)} | SAID[event_type] | data)


def product(
    sku: str, name: str, amount: int = 250, *, currency: str = "EUR", active: bool = True, version: int = 1
) -> Event:
    """The state of a product."""
    data = {
        "sku": sku,
        "name": name,
        "category": "tea",
        "list_price": {"amount": amount, "currency": currency},
        "active": active,
    }
    return _event("product.added" if version == 1 else "product.changed", sku, version, data)


async def deliver(database: Database, *messages: Event) -> list[bool]:
    """Hands each message to its handler, as the consumer does."""
    return [
        handled
        for message in messages
        for handled in await SqlInbox(database).handle([(message, HANDLERS[message.type])])
    ]


async def say(database: Database, order_id: UUID, *event_types: str) -> None:
    """Delivers one message of each type about the order."""
    await deliver(database, *(said(event_type, order_id) for event_type in event_types))


async def outgoing(database: Database, order_id: UUID) -> list[dict[str, Any]]:
    """What lies in the outbox about the order, in order."""
    of_order = outbox.table.c.aggregate_id == str(order_id)
    bodies = sa.select(outbox.table.c.body).where(of_order).order_by(outbox.table.c.position)
    async with database.connection() as connection:
        return [json.loads(body) for body in await connection.scalars(bodies)]


def facts(events: Sequence[dict[str, Any]]) -> list[tuple[str, int]]:
    """The type and the sequence of each."""
    return [(event["type"], event["sequence"]) for event in events]


@dataclass
class Promotions:
    """Answers with `quote`, or raises it; without one, with the sum of the list prices."""

    answer: Quote | Exception | None = None
    asked: list[tuple[list[tuple[str, int]], list[str]]] = field(default_factory=list)

    async def quote(self, lines: Sequence[tuple[Product, int]], coupons: Sequence[str]) -> Quote:
        self.asked.append(([(product.sku, quantity) for product, quantity in lines], list(coupons)))
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is not None:
            return self.answer
        total = sum(product.list_price.amount * quantity for product, quantity in lines)
        currency = lines[0][0].list_price.currency
        return Quote(list_total=(total, currency), discounts=[], total=(total, currency))


def _event(event_type: str, aggregate_id: str, sequence: int, data: dict[str, Any]) -> Event:
    return Event(
        id=uuid4(),
        type=event_type,
        source=event_type.partition(".")[0],
        aggregate_id=aggregate_id,
        sequence=sequence,
        occurred_at=datetime.now(UTC),
        data=data,
    )
