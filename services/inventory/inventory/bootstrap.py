"""Puts the service together from its settings. Nothing is connected yet."""

from chassis.consumer import Consumer
from chassis.database import Database
from chassis.outbox import Relay
from chassis.service import Service
from chassis.settings import DatabaseUrl, HttpUrl, Settings
from pydantic import Field

from inventory import api
from inventory.inbox import StockInbox
from inventory.subscriptions import HANDLERS
from inventory.workers import ReservationExpirer


class InventorySettings(Settings):
    """The environment of this service, which cannot be without a database, a topic and a queue."""

    database_url: DatabaseUrl = Field(examples=["postgresql://inventory@localhost/inventory"])
    topic_arn: str = Field(examples=["arn:aws:sns:us-east-1:000000000000:inventory"])
    queue_url: HttpUrl = Field(examples=["https://localhost/000000000000/inventory"])


def service(settings: InventorySettings) -> Service:
    database = Database.from_settings(settings)
    return Service(
        settings=settings,
        title="Inventory",
        summary="Knows what is in stock and reserves it for orders.",
        routers=[api.router(database)],
        errors=api.ERRORS,
        database=database,
        workers=[
            Relay(database, settings.topic_arn),
            Consumer(StockInbox(database), settings.queue_url, HANDLERS, settings.queue_visibility_seconds),
            ReservationExpirer(database),
        ],
        migrations="inventory.migrations",
    )
