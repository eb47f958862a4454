"""Puts the service together from its settings. Nothing is connected yet."""

from chassis.database import Database
from chassis.outbox import Relay
from chassis.service import Service
from chassis.settings import DatabaseUrl, HttpUrl, Settings
from pydantic import Field

from catalog import api
from catalog.callees import Inventory, Pricing
from catalog.storefront import api as storefront


class CatalogSettings(Settings):
    """The environment of this service, which cannot be without a database, a topic and the two that it asks."""

    database_url: DatabaseUrl = Field(examples=["postgresql://catalog@localhost/catalog"])
    topic_arn: str = Field(examples=["arn:aws:sns:us-east-1:000000000000:catalog"])
    inventory_url: HttpUrl = Field(examples=["http://inventory"])
    pricing_url: HttpUrl = Field(examples=["http://pricing"])


def service(settings: CatalogSettings) -> Service:
    database = Database.from_settings(settings)
    inventory, pricing = Inventory(settings.inventory_url), Pricing(settings.pricing_url)
    return Service(
        settings=settings,
        title="Catalog",
        summary="Shows products with their prices and stock.",
        routers=[api.router(database), storefront.router(database, pricing, inventory)],
        errors=api.ERRORS,
        database=database,
        workers=[Relay(database, settings.topic_arn)],
        clients=[inventory, pricing],
        migrations="catalog.migrations",
    )
