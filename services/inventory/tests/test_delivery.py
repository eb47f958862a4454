"""From an order to its answer: the service with its workers, topics and queues of the emulator."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import boto3
import pytest
from chassis.app import create_app
from chassis.messages import Event
from fastapi import FastAPI
from inventory.bootstrap import InventorySettings, service
from inventory.events import PUBLISHED, READ

from tests.fixtures import Queue, eventually

from .warehouse import Warehouse, cancelled, paid, placed

pytestmark = pytest.mark.slow


class Orders:
    """The other service: a topic that our queue is subscribed to, and a queue that is subscribed to our topic."""

    def __init__(self, topic_arn: str, answers: Queue) -> None:
        self._topic_arn = topic_arn
        self._answers = answers
        self._sns = boto3.client("sns")
        self.received: list[tuple[str, str, int]] = []

    def publish(self, *events: Event) -> None:
        for event in events:
            self._sns.publish(
                TopicArn=self._topic_arn,
                Message=event.to_json(),
                MessageAttributes={"event_type": {"DataType": "String", "StringValue": event.type}},
            )

    async def hears(self, *facts: tuple[str, str, int]) -> None:
        """Waits until exactly these (order, type, sequence) have come since the last time."""

        async def come() -> bool:
            answer = self._answers.client.receive_message(QueueUrl=self._answers.url, MaxNumberOfMessages=10)
            for message in answer.get("Messages", []):
                body: dict[str, Any] = json.loads(message["Body"])
                self.received.append((body["aggregate_id"], body["type"], body["sequence"]))
                self._answers.client.delete_message(QueueUrl=self._answers.url, ReceiptHandle=message["ReceiptHandle"])
            return len(self.received) >= len(facts)

        await eventually(come)
        received, self.received = self.received, []
        assert sorted(received) == sorted(facts)


@pytest.fixture
async def orders(
    app: FastAPI, settings: InventorySettings, make_topic: Callable[..., str], make_queue: Callable[..., Queue]
) -> AsyncIterator[Orders]:
    theirs, ours = make_topic(), make_topic()
    queue = make_queue(theirs, list(READ))
    answers = make_queue(ours, [data.type for data in PUBLISHED], visibility_seconds=30)
    running = create_app(service(settings.model_copy(update={"topic_arn": ours, "queue_url": queue.url})))
    async with running.router.lifespan_context(running):
        yield Orders(theirs, answers)


async def test_orders_are_answered_through_the_queues_from_their_placing_to_their_end(
    orders: Orders, warehouse: Warehouse
) -> None:
    good, bad = uuid4(), uuid4()
    await warehouse.fill(TEA=5)

    orders.publish(placed(good, TEA=2))
    await orders.hears((str(good), "stock.reserved", 1))
    orders.publish(placed(bad, TEA=4))
    await orders.hears((str(bad), "stock.rejected", 1))
    orders.publish(paid(good))
    await orders.hears((str(good), "stock.committed", 2))
    orders.publish(cancelled(good), cancelled(bad))
    await orders.hears((str(good), "stock.released", 3), (str(bad), "stock.released", 2))

    assert await warehouse.stock("TEA") == (5, 0)


async def test_an_event_that_is_delivered_twice_is_answered_once(orders: Orders, warehouse: Warehouse) -> None:
    order = uuid4()
    await warehouse.fill(TEA=5)
    once = placed(order, TEA=2)

    orders.publish(once, once)
    await orders.hears((str(order), "stock.reserved", 1))
    orders.publish(once, paid(order))
    await orders.hears((str(order), "stock.committed", 2))

    assert await warehouse.stock("TEA") == (3, 0)


async def test_many_orders_at_once_are_all_answered(orders: Orders, warehouse: Warehouse) -> None:
    wanted = [uuid4() for _ in range(30)]
    await warehouse.fill(TEA=100, CUP=100)

    orders.publish(*(placed(order, TEA=1, CUP=1) for order in wanted[::2]))
    orders.publish(*(placed(order, CUP=1, TEA=1) for order in wanted[1::2]))

    await orders.hears(*((str(order), "stock.reserved", 1) for order in wanted))
    assert await warehouse.all_stock() == {"TEA": (100, 30), "CUP": (100, 30)}
