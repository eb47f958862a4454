"""Puts the service together from its settings. Nothing is connected yet."""

from chassis.consumer import Consumer
from chassis.database import Database
from chassis.inbox import SqlInbox
from chassis.outbox import Relay
from chassis.service import Service
from chassis.settings import DatabaseUrl, HttpUrl, Settings
from pydantic import Field

from orders import api
from orders.placing import OrderPlacement
from orders.pricing_client import PricingClient
from orders.quotes import Quotes
from orders.subscriptions import HANDLERS
from orders.workers import KeyPruner, SagaTimer


class OrdersSettings(Settings):
    """The environment of this service, and what of it the service cannot be without."""

    database_url: DatabaseUrl = Field(examples=["postgresql://orders@localhost/orders"])
    topic_arn: str = Field(examples=["arn:aws:sns:us-east-1:000000000000:orders"])
    queue_url: HttpUrl = Field(examples=["https://localhost/000000000000/orders"])
    pricing_url: HttpUrl = Field(examples=["http://localhost:8080"])


def service(settings: OrdersSettings, *, prices: Quotes | None = None) -> Service:
    """prices: in place of the pricing service."""
    database = Database.from_settings(settings)
    pricing = PricingClient(settings.pricing_url)
    consumer = Consumer(SqlInbox(database), settings.queue_url, HANDLERS, settings.queue_visibility_seconds)
    return Service(
        settings=settings,
        title="Orders",
        summary="Takes orders and sees each one through stock and payment.",
        routers=[api.router(database, OrderPlacement(database, prices or pricing))],
        errors=api.ERRORS,
        database=database,
        workers=[Relay(database, settings.topic_arn), consumer, SagaTimer(database), KeyPruner(database)],
        clients=[pricing],
        migrations="orders.migrations",
    )
