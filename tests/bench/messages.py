"""Measures how many messages a second go from an outbox through topic and queue to an inbox.

Prints a table. Beside each part stands its yardstick: a bare client that makes the same calls and does nothing else.
PostgreSQL (as durable as it is by default) and the emulator are its own, and share the cores of this machine with
the client: compare figures of one run with each other, not with another machine's.
"""

import asyncio
import os
import statistics
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import boto3
import uvloop
from chassis import aws, inbox, outbox
from chassis.consumer import Consumer
from chassis.database import Database
from chassis.inbox import SqlInbox
from chassis.messages import Event
from chassis.outbox import Relay
from chassis.service import Worker
from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from infra.command_line import run
from tests.bench.bare_clients import (
    bare_claim,
    bare_publish,
    bare_receive,
    bare_remember,
    bare_store,
    bare_store_ten_in_one,
)
from tests.bench.messaging import MESSAGES, PUBLISHERS, Bench, Done, batches, events
from tests.fixtures import Postgres, running_emulator, running_postgres

ROUNDS = 3


async def store(bench: Bench) -> None:
    todo = iter(events(MESSAGES))

    async def publisher() -> None:
        for event in todo:
            async with bench.database.transaction() as tx:
                await outbox.publish(tx, event)

    await asyncio.gather(*(publisher() for _ in range(PUBLISHERS)))


async def store_ten_in_one(bench: Bench) -> None:
    for batch in batches(MESSAGES):
        async with bench.database.transaction() as tx:
            for event in batch:
                await outbox.publish(tx, event)


async def relay(bench: Bench) -> None:
    async with running(Relay(bench.database, bench.topic)):
        bench.start(await bench.until(outbox.table, 0, MESSAGES - 1))  # its client is made by then
        await bench.until(outbox.table, 0, 0)
        bench.stop()


async def relay_without_topic(bench: Bench) -> None:
    """What a relay asks of PostgreSQL."""
    while True:
        async with bench.database.transaction() as tx:
            claimed = (await tx.execute(outbox._CLAIM)).all()
            await tx.execute(outbox._DELETE, {"positions": [row.position for row in claimed]})
        if not claimed:
            return


async def remember(bench: Bench) -> None:
    for batch in batches(MESSAGES):
        await SqlInbox(bench.database).handle([(event, do_nothing) for event in batch])


async def consume(bench: Bench) -> None:
    async with running(consumer(bench, seen := Seen())):
        await seen.first.wait()  # its client is made by then
        bench.start(MESSAGES)
        await seen.last.wait()
        await bench.until(inbox.table, MESSAGES, MESSAGES)
        bench.stop()


async def through(bench: Bench) -> None:
    async with running(Relay(bench.database, bench.topic), consumer(bench, seen := Seen())):
        await store(bench)
        await seen.last.wait()
        await bench.until(inbox.table, MESSAGES, MESSAGES)
        bench.stop()


def consumer(bench: Bench, seen: "Seen") -> Consumer[AsyncConnection]:
    return Consumer(SqlInbox(bench.database), bench.queue, {Done.type: seen}, visibility_seconds=60)


class Seen:
    """A handler that says when it sees the first and the last of the messages."""

    def __init__(self) -> None:
        self._count = 0
        self.first, self.last = asyncio.Event(), asyncio.Event()

    async def __call__(self, _tx: AsyncConnection, _event: Event) -> None:
        self._count += 1
        self.first.set()
        if self._count == MESSAGES:
            self.last.set()


async def do_nothing(_tx: AsyncConnection, _event: Event) -> None:
    pass


@asynccontextmanager
async def running(*workers: Worker) -> AsyncIterator[None]:
    stopping = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for worker in workers:
            group.create_task(worker.run(stopping))
        yield
        stopping.set()


Work = Callable[[Bench], Awaitable[None]]


@dataclass(frozen=True)
class Part:
    """Something to measure, beside a client that does no more than it must. Before each: what has to be there."""

    name: str
    work: Work
    bare: Work
    before: Work | None = None


PARTS = [
    Part("store events one by one: outbox.publish", store, bare_store),
    Part("store events ten by ten: outbox.publish", store_ten_in_one, bare_store_ten_in_one),
    Part("claim and delete events: Relay", relay_without_topic, bare_claim, before=store),
    Part("outbox to topic: Relay", relay, bare_publish, before=store),
    Part("remember events: SqlInbox", remember, bare_remember),
    Part("queue to inbox: Consumer", consume, bare_receive, before=bare_publish),
]


async def measure(postgres: Postgres) -> dict[str, tuple[float, float | None]]:
    """What was measured -> messages a second: of the chassis, and of a bare client."""
    topic, queue = make_topic_and_queue()
    with postgres.fresh_database() as home:
        database = Database(home.url, password=home.password)
        await database.open()
        async with database.transaction() as tx:
            for table in (outbox.table, inbox.table):
                await tx.run_sync(table.create)
        async with aws.sns() as sns, aws.sqs(poll_seconds=1) as sqs:
            bench = Bench(database, home, sns, sqs, topic, queue)
            figures: dict[str, tuple[float, float | None]] = {}
            for part in PARTS:
                # In turns, so that what else the machine does meanwhile slows down both.
                rounds = [
                    [await rate(bench, work, part.before) for work in (part.work, part.bare)] for _ in range(ROUNDS)
                ]
                ours, bare = (statistics.median(rates) for rates in zip(*rounds, strict=True))
                figures[part.name] = ours, bare
            whole = [await rate(bench, through) for _ in range(ROUNDS)]
            figures["outbox to topic to queue to inbox"] = statistics.median(whole), None
        await database.close()
    return figures


async def rate(bench: Bench, work: Work, before: Work | None = None) -> float:
    await bench.clear()
    if before:
        await before(bench)
    bench.start(MESSAGES)
    await work(bench)
    return bench.rate()


def make_topic_and_queue() -> tuple[str, str]:
    """A queue that hears what is published to the topic."""
    sns, sqs = boto3.client("sns"), boto3.client("sqs")
    topic = sns.create_topic(Name="things")["TopicArn"]
    queue = sqs.create_queue(QueueName="things")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    return topic, queue


def show(figures: dict[str, tuple[float, float | None]]) -> None:
    table = Table(title=f"messages a second, {os.cpu_count()} cores")
    table.add_column("what")
    for column in ("chassis", "bare client", "ratio"):
        table.add_column(column, justify="right")
    for name, (ours, bare) in figures.items():
        table.add_row(name, f"{ours:.0f}", *((f"{bare:.0f}", f"{ours / bare:.0%}") if bare else ()))
    Console(width=100).print(table)


def main() -> None:
    with running_postgres() as postgres, running_emulator():
        show(uvloop.run(measure(postgres)))


if __name__ == "__main__":
    run("bench-messages", main)
