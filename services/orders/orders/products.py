"""The products of the catalogue, copied from its events into a table, and cached in the process for a few seconds."""

import time
from collections.abc import Callable, Collection
from typing import Any

from chassis.database import Database
from chassis.money import Money
from sqlalchemy import ARRAY, Text, any_, bindparam, select
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from orders.domain.basket import Product
from orders.tables import products

FRESH_SECONDS = 3.0
"""A changed price reaches us by a queue, a second or two late in any case."""
MAX_CACHED = 10_000
"""Some 10 MB."""


async def upsert(tx: AsyncConnection, product: Product, version: int) -> None:
    """Stores this state of the product, unless a later version is stored already."""
    row = {
        "sku": product.sku,
        "version": version,
        "name": product.name,
        "category": product.category,
        "list_price_amount": product.list_price.amount,
        "currency": product.list_price.currency,
        "active": product.active,
    }
    await tx.execute(_UPSERT, row)


class Products:
    """Looks products up, with a cache of FRESH_SECONDS. Unknown products are not cached.

    clock: seconds that only grow.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        # The oldest first: what is looked up again goes to the end.
        self._found: dict[str, tuple[float, Product]] = {}

    async def find(self, skus: Collection[str]) -> dict[str, Product]:
        """The products of these SKUs, without those that nobody knows."""
        since = self._clock() - FRESH_SECONDS
        found = {sku: kept[1] for sku in skus if (kept := self._found.get(sku)) and kept[0] > since}
        if missing := [sku for sku in skus if sku not in found]:
            looked_up = await self._look_up(missing)
            self._remember(looked_up)
            found |= looked_up
        return found

    async def _look_up(self, skus: Collection[str]) -> dict[str, Product]:
        async with self._database.connection() as connection:
            rows = await connection.execute(_LOOK_UP, {"skus": list(skus)})
            return {row.sku: _product(row) for row in rows}

    def _remember(self, looked_up: dict[str, Product]) -> None:
        now = self._clock()
        for sku, product in looked_up.items():
            self._found.pop(sku, None)
            self._found[sku] = (now, product)
        while len(self._found) > MAX_CACHED:
            del self._found[next(iter(self._found))]


def _product(row: Any) -> Product:
    return Product(
        sku=row.sku,
        name=row.name,
        category=row.category,
        list_price=Money(amount=row.list_price_amount, currency=row.currency),
        active=row.active,
    )


def _upsert() -> Insert:
    statement = insert(products)
    changed = {column.name: statement.excluded[column.name] for column in products.c if column.name != "sku"}
    return statement.on_conflict_do_update(
        index_elements=[products.c.sku], set_=changed, where=products.c.version < statement.excluded.version
    )


_UPSERT = _upsert()
_LOOK_UP = select(products).where(products.c.sku == any_(bindparam("skus", type_=ARRAY(Text))))
