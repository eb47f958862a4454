"""What a client does that makes the same calls as the chassis, and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from chassis.messages import EVENT_TYPE_ATTRIBUTE, Event

from tests.bench.messaging import BATCH, MESSAGES, PUBLISHERS, Bench, batches, events


async def bare_publish(bench: Bench) -> None:
    for batch in batches(MESSAGES):
        entries = [
            {
                "Id": str(number),
                "Message": event.to_json(),
                "MessageAttributes": {EVENT_TYPE_ATTRIBUTE: {"DataType": "String", "StringValue": event.type}},
            }
            for number, event in enumerate(batch)
        ]
        await bench.sns.publish_batch(TopicArn=bench.topic, PublishBatchRequestEntries=entries)  # type: ignore[arg-type]


async def bare_receive(bench: Bench) -> None:
    left = MESSAGES
    while left:
        answer = await bench.sqs.receive_message(QueueUrl=bench.queue, MaxNumberOfMessages=BATCH, WaitTimeSeconds=1)
        messages = answer.get("Messages", [])
        entries = [{"Id": str(n), "ReceiptHandle": each["ReceiptHandle"]} for n, each in enumerate(messages)]
        await bench.sqs.delete_message_batch(QueueUrl=bench.queue, Entries=entries)  # type: ignore[arg-type]
        left -= len(messages)


INSERT_EVENTS = """INSERT INTO outbox (aggregate_id, event_type, body)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[])"""
CLAIM = """SELECT position, event_type, body, traceparent FROM outbox
WHERE (retry_at IS NULL OR retry_at <= now()) AND NOT EXISTS (SELECT FROM outbox AS earlier
WHERE earlier.aggregate_id = outbox.aggregate_id AND earlier.position < outbox.position)
ORDER BY position LIMIT 100 FOR UPDATE OF outbox SKIP LOCKED"""
DELETE = "DELETE FROM outbox WHERE position = ANY($1::bigint[])"
REMEMBER = "INSERT INTO inbox (event_id) SELECT unnest($1::uuid[]) ON CONFLICT DO NOTHING RETURNING event_id"


def rows(batch: Sequence[Event]) -> tuple[list[str], list[str], list[str]]:
    return (
        [event.aggregate_id for event in batch],
        [event.type for event in batch],
        [event.to_json() for event in batch],
    )


async def bare_store(bench: Bench) -> None:
    """One event in a transaction, as in a request, and several transactions at once."""
    todo = iter(events(MESSAGES))

    async def publisher() -> None:
        async with bare(bench) as connection:
            for event in todo:
                async with connection.transaction():
                    await connection.execute(INSERT_EVENTS, *rows([event]))

    await asyncio.gather(*(publisher() for _ in range(PUBLISHERS)))


async def bare_store_ten_in_one(bench: Bench) -> None:
    async with bare(bench) as connection:
        for batch in batches(MESSAGES):
            async with connection.transaction():
                await connection.execute(INSERT_EVENTS, *rows(batch))


async def bare_claim(bench: Bench) -> None:
    async with bare(bench) as connection:
        while True:
            async with connection.transaction():
                claimed = await connection.fetch(CLAIM)
                await connection.execute(DELETE, [row["position"] for row in claimed])
            if not claimed:
                return


async def bare_remember(bench: Bench) -> None:
    async with bare(bench) as connection:
        for batch in batches(MESSAGES):
            async with connection.transaction():
                await connection.fetch(REMEMBER, [event.id for event in batch])


@asynccontextmanager
async def bare(bench: Bench) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(bench.home.url, password=bench.home.password)
    try:
        yield connection
    finally:
        await connection.close()
