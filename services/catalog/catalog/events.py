"""The data of the events of this service: the whole state after the change. It reads none."""

from collections.abc import Mapping
from typing import Any, ClassVar

from chassis.messages import Event, EventData, EventReader
from chassis.money import Money

from catalog.domain import Product


class ProductAdded(EventData):
    type: ClassVar[str] = "product.added"

    sku: str
    name: str
    category: str
    list_price: Money
    active: bool


class ProductChanged(ProductAdded):
    type: ClassVar[str] = "product.changed"


PUBLISHED: tuple[type[EventData], ...] = (ProductAdded, ProductChanged)
READ: Mapping[str, EventReader[Any]] = {}


def event_of(product: Product) -> Event:
    """What is told of a product that has just got its version: added with the first, changed with each later one."""
    data = ProductAdded if product.version == 1 else ProductChanged
    content = product.content
    return data(
        sku=product.sku,
        name=content.name,
        category=content.category,
        list_price=content.list_price,
        active=content.active,
    ).event(source="catalog", aggregate_id=product.sku, sequence=product.version, occurred_at=product.updated_at)
