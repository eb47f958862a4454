"""From a topic to the log: the service with its consumer, on a topic and a queue of the emulator."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import boto3
import httpx
import pytest
from chassis.app import create_app
from chassis.messages import Event
from chassis.settings import Settings
from notifications.bootstrap import service

from tests.fixtures import Queue, eventually
from tests.tokens import Issuer

from .people import Person, cancelled, placed, signed_up


class Publisher:
    """The other services: a topic that this one's queue is subscribed to."""

    def __init__(self, topic_arn: str, queue: Queue) -> None:
        self.queue = queue
        self._topic_arn = topic_arn
        self._sns = boto3.client("sns")

    def publish(self, *events: Event, **wrong: Any) -> None:
        """Publishes each event, with some of its data changed for the worse."""
        for event in events:
            body = event.model_dump(mode="json")
            body["data"] |= wrong
            self._sns.publish(
                TopicArn=self._topic_arn,
                Message=json.dumps(body),
                MessageAttributes={"event_type": {"DataType": "String", "StringValue": event.type}},
            )

    async def all_is_handled(self) -> bool:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.queue.client.get_queue_attributes(QueueUrl=self.queue.url, AttributeNames=names)
        return all(answer["Attributes"][name] == "0" for name in names)


@pytest.fixture
def publisher(make_topic: Callable[..., str], make_queue: Callable[..., Queue]) -> Publisher:
    topic = make_topic()
    queue = make_queue(topic, ["user.created", "order.placed", "order.cancelled"], max_deliveries=1)
    return Publisher(topic, queue)


@pytest.fixture
async def ada(settings: Settings, tokens: Issuer, publisher: Publisher) -> AsyncIterator[Person]:
    """A person who talks to the service while it consumes."""
    queue = {"queue_url": publisher.queue.url, "queue_visibility_seconds": 2}
    app = create_app(service(settings.model_copy(update=queue)))
    subject = f"ada-{uuid4()}"
    headers = {"Authorization": f"Bearer {tokens.token(subject, ['notifications/read'])}"}
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://notifications", headers=headers) as http,
    ):
        yield Person(subject, http)


async def test_what_happens_elsewhere_is_read_here_once_though_it_is_told_twice(
    ada: Person, publisher: Publisher
) -> None:
    events = [cancelled(ada, "o-1"), signed_up(ada), placed(ada, "o-1")]

    publisher.publish(*events, *reversed(events))

    await eventually(publisher.all_is_handled)
    assert sorted(await ada.texts()) == [
        "Order o-1 was cancelled.",
        "Welcome, Ada.",
        "You placed order o-1 for 12.50 EUR.",
    ]
    assert (await ada.http.get("/livez")).status_code == 200


async def test_an_event_that_cannot_be_understood_is_set_aside_and_holds_nobody_up(
    ada: Person, publisher: Publisher
) -> None:
    poison = placed(ada, "o-1")
    publisher.publish(poison, total=None)
    publisher.publish(signed_up(ada), note="added later by the publisher")

    dead = await asyncio.to_thread(publisher.queue.receive_dead)

    assert json.loads(dead["Body"])["id"] == str(poison.id)
    assert await ada.texts() == ["Welcome, Ada."]
