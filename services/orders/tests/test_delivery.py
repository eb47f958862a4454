"""From the outbox to a subscriber: the service with its workers, a topic and a queue of the emulator."""

import json
from collections.abc import Callable
from uuid import uuid4

import httpx
from chassis.app import create_app
from orders.bootstrap import OrdersSettings, service

from tests.fixtures import Queue, eventually
from tests.tokens import Issuer

from .customers import Customer


async def test_a_subscriber_receives_that_an_order_was_placed_and_then_cancelled(
    settings: OrdersSettings, tokens: Issuer, make_topic: Callable[..., str], make_queue: Callable[..., Queue]
) -> None:
    topic = make_topic()
    queue = make_queue(topic, ["order.placed", "order.cancelled"])
    app = create_app(service(settings.model_copy(update={"topic_arn": topic})))
    subject = f"ada-{uuid4()}"
    headers = {"Authorization": f"Bearer {tokens.token(subject, ['orders/read', 'orders/write'])}"}
    transport = httpx.ASGITransport(app=app)
    received: list[tuple[str, int]] = []

    async def arrived() -> bool:
        answer = queue.client.receive_message(QueueUrl=queue.url, MaxNumberOfMessages=10)
        for message in answer.get("Messages", []):
            event = json.loads(message["Body"])
            if event["data"]["customer_id"] == subject:
                received.append((event["type"], event["sequence"]))
        return len(received) >= 2

    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://orders", headers=headers) as client,
    ):
        ada = Customer(subject, client)
        await ada.cancel(await ada.placed())
        await eventually(arrived)
        assert (await client.get("/livez")).status_code == 200

    assert sorted(received) == [("order.cancelled", 2), ("order.placed", 1)]
