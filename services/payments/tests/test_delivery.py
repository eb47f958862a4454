"""From a topic to a topic: the service with all its workers, on the emulator, at its own pace."""

import json
from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import boto3
import httpx
import pytest
from chassis.app import create_app
from chassis.database import Database
from chassis.messages import Event
from payments.bootstrap import PaymentsSettings, service

from tests.fixtures import Queue, eventually

from .shop import cancelling, reserved

pytestmark = pytest.mark.slow

ANSWERS = ["payment.captured", "payment.declined", "payment.refunded", "payment.voided"]


async def test_orders_asks_and_is_answered_though_everything_is_sent_twice(
    settings: PaymentsSettings, database: Database, make_topic: Callable[..., str], make_queue: Callable[..., Queue]
) -> None:
    of_orders, of_payments = make_topic(), make_topic()
    asked = make_queue(of_orders, ["order.reserved", "order.cancelling"], visibility_seconds=5)
    answered = make_queue(of_payments, ANSWERS, visibility_seconds=60)
    app = create_app(service(settings.model_copy(update={"topic_arn": of_payments, "queue_url": asked.url})))
    sns = boto3.client("sns")
    answers: dict[UUID, str] = {}

    def send(event: Event) -> None:
        for _ in range(2):
            sns.publish(
                TopicArn=of_orders,
                Message=event.to_json(),
                MessageAttributes={"event_type": {"DataType": "String", "StringValue": event.type}},
            )

    def answered_with(**wanted: str) -> Callable[[], Awaitable[bool]]:
        async def all_are() -> bool:
            messages = answered.client.receive_message(QueueUrl=answered.url, MaxNumberOfMessages=10)
            for message in messages.get("Messages", []):
                event = json.loads(message["Body"])
                answers[UUID(event["aggregate_id"])] = event["type"]
            return {name: answers.get(order) for name, order in orders.items()} == wanted

        return all_are

    orders = {"card": uuid4(), "slow": uuid4(), "declined": uuid4()}
    transport = httpx.ASGITransport(app=app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://p") as http:
        send(reserved(orders["card"]))
        send(reserved(orders["slow"], method="card-slow"))
        send(reserved(orders["declined"], method="card-declined"))
        captured = "payment.captured"
        await eventually(answered_with(card=captured, slow=captured, declined="payment.declined"), 20)
        for order in orders.values():
            send(cancelling(order))
        refunded = "payment.refunded"
        await eventually(answered_with(card=refunded, slow=refunded, declined="payment.voided"), 20)

        assert (await http.get("/livez")).status_code == 200
        assert (await http.get("/readyz")).status_code == 200
        metrics = (await http.get("/metrics")).text
    for line in ('payments_total{outcome="captured"}', 'provider_call_duration_seconds_count{operation="refund"}'):
        assert line in metrics
