"""What is in a queue, and how to put it there."""

import json
from collections import defaultdict
from typing import Any

from chassis.messages import Event

from tests.fixtures import Queue, eventually

Stream = dict[str, list[int]]
"""The sequences of each aggregate's events."""


def send(queue: Queue, *events: Event) -> None:
    for start in range(0, len(events), 10):
        entries = [{"Id": str(n), "MessageBody": one.to_json()} for n, one in enumerate(events[start : start + 10])]
        queue.client.send_message_batch(QueueUrl=queue.url, Entries=entries)


def receive(queue: Queue, wait_seconds: int = 0) -> list[dict[str, Any]]:
    answer = queue.client.receive_message(QueueUrl=queue.url, MaxNumberOfMessages=10, WaitTimeSeconds=wait_seconds)
    return list(answer.get("Messages", []))


async def counts(queue: Queue, *, visible: int, hidden: int) -> bool:
    names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    found = queue.client.get_queue_attributes(QueueUrl=queue.url, AttributeNames=names)["Attributes"]
    return [int(found[name]) for name in names] == [visible, hidden]


async def is_empty(queue: Queue) -> bool:
    return await counts(queue, visible=0, hidden=0)


def received(queue: Queue) -> list[dict[str, Any]]:
    """All that is in the queue now, in the order of its arrival."""
    messages: list[dict[str, Any]] = []
    while batch := queue.client.receive_message(
        QueueUrl=queue.url, MaxNumberOfMessages=10, WaitTimeSeconds=0, MessageAttributeNames=["All"]
    ).get("Messages"):
        messages += batch
    return messages


async def arrivals(queue: Queue, number: int) -> list[dict[str, Any]]:
    """Waits for so many messages."""
    messages: list[dict[str, Any]] = []

    async def all_there() -> bool:
        messages.extend(received(queue))
        return len(messages) >= number

    await eventually(all_there)
    assert len(messages) == number
    return messages


def streams(messages: list[dict[str, Any]]) -> Stream:
    """The sequences of each aggregate as they arrived."""
    streams: Stream = defaultdict(list)
    for message in messages:
        body = json.loads(message["Body"])
        streams[body["aggregate_id"]].append(body["sequence"])
    return dict(streams)


def first_seen(sequence: list[int]) -> list[int]:
    return list(dict.fromkeys(sequence))
