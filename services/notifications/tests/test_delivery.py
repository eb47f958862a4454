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
from notifications.bootstrap import NotificationsSettings, service
from notifications.events import READ

from tests.fixtures import Queue, eventually
from tests.tokens import Issuer

from .outbound import Recorder
from .people import Person, cancelled, confirmed, placed, signed_up, told_again

pytestmark = pytest.mark.slow


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
    return Publisher(topic, make_queue(topic, list(READ), max_deliveries=1))


@pytest.fixture
def outbound() -> Recorder:
    return Recorder()


@pytest.fixture
async def ada(
    own_settings: NotificationsSettings, tokens: Issuer, publisher: Publisher, outbound: Recorder
) -> AsyncIterator[Person]:
    """A person who talks to the service while it consumes and sends."""
    queue = {"queue_url": publisher.queue.url, "queue_visibility_seconds": 2}
    app = create_app(service(own_settings.model_copy(update=queue), outbound))
    subject = f"ada-{uuid4()}"
    headers = {"Authorization": f"Bearer {tokens.token(subject, ['notifications/read'])}"}
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://notifications", headers=headers) as http,
    ):
        yield Person(subject, http)


async def test_what_happens_elsewhere_is_read_here_and_sent_once_though_it_is_told_twice(
    ada: Person, publisher: Publisher, outbound: Recorder
) -> None:
    events = [cancelled(ada, "o-2"), signed_up(ada), confirmed(ada, "o-1"), placed(ada, "o-1")]

    publisher.publish(*events, *reversed(events), *map(told_again, events))

    await eventually(publisher.all_is_handled)
    expected = [
        "Order o-1 for 12.50 EUR is confirmed.",
        "Order o-2 was cancelled at your request.",
        "Welcome, Ada.",
        "You placed order o-1 for 12.50 EUR.",
    ]
    assert sorted(await ada.texts()) == expected

    async def all_is_sent() -> bool:
        return len(outbound.sent) >= len(expected)

    await eventually(all_is_sent)
    assert sorted(outbound.texts()) == expected
    assert (await ada.http.get("/livez")).status_code == 200
    assert (await ada.http.get("/readyz")).status_code == 200


async def test_events_that_cannot_be_understood_are_set_aside_and_hold_nobody_up(
    ada: Person, publisher: Publisher
) -> None:
    hostile: list[dict[str, Any]] = [
        {"total": None},
        {"total": {"amount": "1250", "currency": "EUR"}},
        {"order_id": "o" * 201},
        {"customer_id": ["ada"]},
        {"customer_id": "a" * 100_000},
    ]
    poison = [(placed(ada, f"o-{number}"), wrong) for number, wrong in enumerate(hostile)]
    for event, wrong in poison:
        publisher.publish(event, **wrong)
    publisher.publish(signed_up(ada), note="added later by the publisher")

    dead = [await asyncio.to_thread(publisher.queue.receive_dead) for _ in poison]

    assert {json.loads(each["Body"])["id"] for each in dead} == {str(event.id) for event, _ in poison}
    await eventually(publisher.all_is_handled)
    assert await ada.texts() == ["Welcome, Ada."]


async def test_words_without_end_are_cut(ada: Person, publisher: Publisher) -> None:
    publisher.publish(cancelled(ada, "o-1"), reason="no " * 30_000)

    await eventually(publisher.all_is_handled)

    (text,) = await ada.texts()
    assert text.startswith("Order o-1 was cancelled at your request: no no no")
    assert len(text) < 600
