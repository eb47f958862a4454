"""What messages are measured with: the events, the parts that carry them, and a clock."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

import sqlalchemy as sa
from chassis.database import Database
from chassis.messages import Event, EventData

from tests.fixtures import FreshDatabase, eventually

if TYPE_CHECKING:
    from types_aiobotocore_sns import SNSClient
    from types_aiobotocore_sqs import SQSClient

MESSAGES = 2_000
BATCH = 10
PUBLISHERS = 3
"""Transactions that are open at once where events are published: a pool has one more for relay and consumer each."""


class Done(EventData):
    """About as long as an order."""

    type = "thing.done"

    text: str = "x" * 400


def events(number: int) -> list[Event]:
    """Each of an aggregate of its own, as orders are."""
    return [Done().event(source="things", aggregate_id=str(uuid4()), sequence=1) for _ in range(number)]


def batches(number: int) -> list[list[Event]]:
    return [events(BATCH) for _ in range(number // BATCH)]


@dataclass
class Bench:
    """The parts that everything is measured on."""

    database: Database
    home: FreshDatabase
    sns: "SNSClient"
    sqs: "SQSClient"
    topic: str
    queue: str
    begun: float = 0
    ended: float | None = None
    messages: int = 0

    def start(self, messages: int) -> None:
        """The clock starts (again), with so many messages to come."""
        self.begun, self.ended, self.messages = time.perf_counter(), None, messages

    def stop(self) -> None:
        """The clock stops: what follows is the end of a worker, who waits for a last poll, and no message."""
        self.ended = time.perf_counter()

    def rate(self) -> float:
        return self.messages / ((self.ended or time.perf_counter()) - self.begun)

    async def until(self, table: sa.Table, least: int, most: int) -> int:
        """Waits until the table has from `least` to `most` rows; how many it has."""
        rows = -1

        async def found() -> bool:
            nonlocal rows
            async with self.database.connection() as connection:
                rows = int(await connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0)
            return least <= rows <= most

        await eventually(found, deadline_seconds=60)
        return rows

    async def clear(self) -> None:
        await self.sqs.purge_queue(QueueUrl=self.queue)
        async with self.database.transaction() as tx:
            await tx.execute(sa.text("TRUNCATE outbox, inbox"))
