"""Events, databases and running workers for the tests of outbox, inbox and consumer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from chassis import inbox, outbox
from chassis.consumer import Consumer, Handler
from chassis.database import Database
from chassis.inbox import SqlInbox
from chassis.messages import Event
from chassis.service import Worker
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.fixtures import FreshDatabase, Queue

effects = sa.Table(
    "effects",
    sa.MetaData(),
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
)
"""Stands for what a service keeps."""


def event(aggregate_id: str = "thing-1", sequence: int = 1, type: str = "thing.done", **data: Any) -> Event:  # noqa: A002
    return Event(
        id=uuid4(),
        type=type,
        source="things",
        aggregate_id=aggregate_id,
        sequence=sequence,
        occurred_at=datetime.now(UTC),
        data=data,
    )


@asynccontextmanager
async def cleared(fresh: FreshDatabase, pool_size: int = 5) -> AsyncIterator[Database]:
    """As opened(), with the tables empty."""
    async with opened(fresh, pool_size) as database:
        async with database.transaction() as tx:
            for table in (outbox.table, inbox.table, effects):
                await tx.execute(table.delete())
        yield database


def unopened(fresh: FreshDatabase, pool_size: int = 5) -> Database:
    return Database(fresh.url, password=fresh.password, pool_size=pool_size)


@asynccontextmanager
async def opened(fresh: FreshDatabase, pool_size: int = 5) -> AsyncIterator[Database]:
    """The database with the tables `outbox`, `inbox` and `effects`, which it makes where they are missing."""
    database = unopened(fresh, pool_size)
    await database.open()
    try:
        async with database.transaction() as tx:
            for table in (outbox.table, inbox.table, effects):
                await tx.run_sync(table.metadata.create_all)
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def running(*workers: Worker) -> AsyncIterator[None]:
    """The workers at work; after the block they are told to stop, and must do so within ten seconds."""
    stopping = asyncio.Event()
    tasks = [asyncio.create_task(worker.run(stopping)) for worker in workers]
    try:
        yield
        stopping.set()
        async with asyncio.timeout(10):
            await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def texts(database: Database) -> list[str]:
    """What is in `effects`, in the order of its making."""
    async with database.connection() as connection:
        return list(await connection.scalars(sa.select(effects.c.text).order_by(effects.c.id)))


async def count(database: Database, table: sa.Table) -> int:
    async with database.connection() as connection:
        return int(await connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0)


def consumer(
    database: Database, queue: Queue, handler: Handler[AsyncConnection], visibility_seconds: int = 60
) -> Consumer[AsyncConnection]:
    """Failed messages come back at once."""
    return Consumer(SqlInbox(database), queue.url, {"thing.done": handler}, visibility_seconds, retry_seconds=0)


async def write_down(tx: AsyncConnection, event: Event) -> None:
    await tx.execute(effects.insert(), {"text": f"{event.aggregate_id} {event.sequence}"})
