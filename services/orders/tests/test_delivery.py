"""By topics and queues: the service with its workers, and the emulator."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest
from chassis.app import create_app
from chassis.messages import Event
from orders.bootstrap import OrdersSettings, service
from orders.subscriptions import HANDLERS

from tests.fixtures import Queue, eventually
from tests.tokens import Issuer

from .customers import Customer, id_of, line
from .others import Promotions, product, said

pytestmark = pytest.mark.slow

NEXT = {"order.placed": "stock.reserved", "order.reserved": "payment.captured", "order.paid": "stock.committed"}
"""What the others answer."""


async def test_an_order_is_confirmed_by_what_the_others_answer_to_its_events(
    settings: OrdersSettings, tokens: Issuer, make_topic: Callable[..., str], make_queue: Callable[..., Queue]
) -> None:
    ours, theirs = make_topic(), make_topic()
    inbound, outbound = make_queue(theirs, list(HANDLERS)), make_queue(ours, [*NEXT, "order.confirmed"])
    environment = {"topic_arn": ours, "queue_url": inbound.url}
    app = create_app(service(settings.model_copy(update=environment), prices=Promotions()))
    subject, sku = f"ada-{uuid4()}", f"SKU-{uuid4().hex[:8].upper()}"
    headers = {"Authorization": f"Bearer {tokens.token(subject, ['orders/read', 'orders/write'])}"}
    received: list[tuple[str, int]] = []

    def send(event: Event) -> None:
        inbound.client.send_message(QueueUrl=inbound.url, MessageBody=event.to_json())

    async def confirmed() -> bool:
        for event in arrived(outbound):
            if event["data"]["customer_id"] == subject:
                received.append((event["type"], event["sequence"]))
                if event["type"] in NEXT:
                    send(said(NEXT[event["type"]], id_of(event["aggregate_id"])))
        return received[-1:] == [("order.confirmed", 4)]

    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://orders", headers=headers) as client,
    ):
        ada = Customer(subject, client)
        send(product(sku, "A kettle"))

        async def placed() -> str | None:
            answer = await ada.place(line(sku))
            return answer.headers["Location"] if answer.status_code == 201 else None

        path = await eventually(placed)
        assert path is not None
        await eventually(confirmed, 20)
        assert await ada.status(path) == "confirmed"
        assert (await client.get("/livez")).status_code == 200

    assert received == [("order.placed", 1), ("order.reserved", 2), ("order.paid", 3), ("order.confirmed", 4)]


def arrived(queue: Queue) -> list[dict[str, Any]]:
    answer = queue.client.receive_message(QueueUrl=queue.url, MaxNumberOfMessages=10)
    for message in answer.get("Messages", []):
        queue.client.delete_message(QueueUrl=queue.url, ReceiptHandle=message["ReceiptHandle"])
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]
