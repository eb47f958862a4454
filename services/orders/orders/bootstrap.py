"""Puts the service together from its settings. Nothing is connected yet."""

from chassis.database import Database
from chassis.outbox import Relay
from chassis.service import Service
from chassis.settings import DatabaseUrl, Settings
from pydantic import Field

from orders import api
from orders.workers import KeyPruner


class OrdersSettings(Settings):
    """The environment of this service, which cannot be without a database and a topic."""

    database_url: DatabaseUrl = Field(examples=["postgresql://orders@localhost/orders"])
    topic_arn: str = Field(examples=["arn:aws:sns:us-east-1:000000000000:orders"])


def service(settings: OrdersSettings) -> Service:
    database = Database.from_settings(settings)
    return Service(
        settings=settings,
        title="Orders",
        summary="Takes orders and keeps them.",
        routers=[api.router(database)],
        errors=api.ERRORS,
        database=database,
        workers=[Relay(database, settings.topic_arn), KeyPruner(database)],
        migrations="orders.migrations",
    )
