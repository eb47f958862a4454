"""Puts the service together from its settings. Nothing is connected yet."""

import asyncio
from typing import Literal

from chassis.consumer import Consumer
from chassis.database import Database
from chassis.outbox import Relay
from chassis.service import Service, Worker
from chassis.settings import DatabaseUrl, HttpUrl, Settings
from pydantic import Field

from payments.fake_provider import FakeProvider, FakeProviderWorker
from payments.provider import Provider
from payments.provider_client import ProviderClient
from payments.subscriptions import HANDLERS
from payments.workers import PaymentWorker, WakingInbox

FAKE_PROVIDER_CONNECTIONS = 3
"""Of those that the process may open; the service itself has the rest."""


class PaymentsSettings(Settings):
    """The environment of this service.

    database_pool_size: all connections of the process, those of the fake provider among them.
    payment_provider: who moves the money; "fake" moves none.
    fake_provider_latency_seconds: how long the fake one takes for an answer.
    """

    database_url: DatabaseUrl = Field(examples=["postgresql://payments@localhost/payments"])
    database_pool_size: int = Field(default=8, ge=FAKE_PROVIDER_CONNECTIONS + 1, le=100)
    topic_arn: str = Field(examples=["arn:aws:sns:us-east-1:000000000000:payments"])
    queue_url: HttpUrl = Field(examples=["https://localhost/000000000000/payments"])
    payment_provider: Literal["fake"] = "fake"
    fake_provider_latency_seconds: float = Field(default=0.005, ge=0, le=60)


def service(settings: PaymentsSettings) -> Service:
    database = _database(settings, settings.service_name, settings.database_pool_size - FAKE_PROVIDER_CONNECTIONS)
    provider = _provider(settings)
    due = asyncio.Event()
    worker = PaymentWorker(database, ProviderClient(provider), due)
    consumer = Consumer(
        WakingInbox(database, due), settings.queue_url, HANDLERS, visibility_seconds=settings.queue_visibility_seconds
    )
    workers: list[Worker] = [consumer, worker, Relay(database, settings.topic_arn)]
    if isinstance(provider, FakeProvider):
        workers.append(FakeProviderWorker(provider, worker.handle_callback))
    return Service(
        settings=settings,
        title="Payments",
        summary="Captures what orders cost, and gives it back.",
        routers=[],
        database=database,
        workers=workers,
        clients=[provider],
        migrations="payments.migrations",
    )


def _provider(settings: PaymentsSettings) -> Provider:
    match settings.payment_provider:
        case "fake":
            # By connections of its own, as if its books were somewhere else.
            return FakeProvider(
                _database(settings, "fake-provider", FAKE_PROVIDER_CONNECTIONS),
                latency_seconds=settings.fake_provider_latency_seconds,
            )


def _database(settings: PaymentsSettings, user: str, connections: int) -> Database:
    own = {"service_name": user, "database_pool_size": connections}
    return Database.from_settings(settings.model_copy(update=own))
