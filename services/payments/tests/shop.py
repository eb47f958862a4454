"""Orders, the provider and the clock, as the tests play them."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from chassis import outbox
from chassis.database import Database
from chassis.inbox import SqlInbox
from chassis.messages import Event
from payments.fake_provider import FakeProvider, FakeProviderWorker
from payments.provider import Provider, ProviderCallback
from payments.provider_client import ProviderClient
from payments.subscriptions import HANDLERS
from payments.tables import metadata, payments, provider_payments
from payments.workers import PaymentWorker
from sqlalchemy.ext.asyncio import AsyncConnection

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def reserved(order_id: UUID, amount: int = 1250, method: str = "card") -> Event:
    total = {"amount": amount, "currency": "EUR"}
    return _event("order.reserved", order_id, total=total, payment_method=method)


def cancelling(order_id: UUID) -> Event:
    return _event("order.cancelling", order_id, cause="customer", reason=None)


def _event(event_type: str, order_id: UUID, **data: Any) -> Event:
    return Event(
        id=uuid4(),
        type=event_type,
        source="orders",
        aggregate_id=str(order_id),
        sequence=2,
        occurred_at=NOON,
        data={"order_id": str(order_id), "customer_id": "ada", **data},
    )


async def emptied(database: Database) -> None:
    async with database.transaction() as tx:
        for table in metadata.sorted_tables:
            await tx.execute(table.delete())


class Shop:
    """The service without its queue and its relay, at a time that the test owns.

    between: what stands between the service and its provider.
    """

    def __init__(
        self, database: Database, of_provider: Database, between: Callable[[Provider], Provider] = lambda fake: fake
    ) -> None:
        self.now = NOON
        self.database = database
        self.fake = FakeProvider(of_provider, hang_seconds=0, clock=lambda: self.now)
        self.between = between
        self.worker = self.new_worker()
        self.provider_worker = FakeProviderWorker(self.fake, self.handle_callback)

    def new_worker(self) -> PaymentWorker:
        """Another process."""
        return PaymentWorker(self.database, ProviderClient(self.between(self.fake)), asyncio.Event())

    async def handle_callback(self, callback: ProviderCallback) -> None:
        await self.worker.handle_callback(callback, self.now)

    async def receive(self, *events: Event) -> None:
        """Each event in a transaction of its own, as the consumer hands them over; the handlers' time is the test's."""

        async def at_this_time(tx: AsyncConnection, event: Event) -> None:
            handler: Any = HANDLERS[event.type]
            await handler(tx, event, self.now)

        for event in events:
            await SqlInbox(self.database).handle([(event, at_this_time)])

    async def work(self) -> None:
        """Until nothing is due."""
        while await self.worker.run_once(self.now) + await self.provider_worker.run_once(self.now):
            pass

    async def rest(self) -> None:
        """Until nothing will ever be due; that takes no longer than an hour."""
        end = self.now + timedelta(hours=1)
        await self.work()
        while (next_at := await self._next_at()) is not None:
            self.now = max(self.now, next_at)
            assert self.now < end, "the service does not come to rest"
            await self.work()

    async def pass_time(self, seconds: float) -> None:
        """In steps that are shorter than anything that takes its time, with the work that is due at each."""
        end = self.now + timedelta(seconds=seconds)
        while self.now < end:
            self.now = min(end, self.now + timedelta(seconds=1))
            await self.work()

    async def _next_at(self) -> datetime | None:
        columns = (payments.c.due_at, provider_payments.c.settles_at, provider_payments.c.calls_back_at)
        earliest = sa.func.least(*(sa.select(sa.func.min(column)).scalar_subquery() for column in columns))
        async with self.database.connection() as connection:
            return await connection.scalar(sa.select(earliest))

    async def published(self, order_id: UUID) -> list[Event]:
        """All events about the order so far, in their order."""
        wanted = sa.select(outbox.table.c.body).where(outbox.table.c.aggregate_id == str(order_id))
        async with self.database.connection() as connection:
            bodies = await connection.scalars(wanted.order_by(outbox.table.c.position))
            return [Event.model_validate(json.loads(body)) for body in bodies]

    async def told(self, order_id: UUID) -> list[tuple[str, int]]:
        """Type and sequence of all events about the order so far."""
        return [(event.type, event.sequence) for event in await self.published(order_id)]

    async def taken(self, order_id: UUID) -> tuple[int, int]:
        """By the provider's own books: what it has captured for the order, and what it has given back."""
        async with self.database.connection() as connection:
            reference = await connection.scalar(sa.select(payments.c.id).where(payments.c.order_id == order_id))
            books = sa.select(provider_payments.c.captured, provider_payments.c.refunded)
            row = (await connection.execute(books.where(provider_payments.c.reference == reference))).one_or_none()
            return (row.captured, row.refunded) if row else (0, 0)
