"""The use cases: each is one transaction, in which the product and the event about it are stored together."""

import re
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from functools import cache
from typing import Any

from chassis import outbox
from chassis.database import Database
from chassis.money import Money
from chassis.text import normalised
from sqlalchemy import Row, Select, Text, any_, bindparam, func, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from catalog import domain
from catalog.domain import Content, OutdatedVersion, Product
from catalog.events import event_of
from catalog.tables import products

_ATTEMPTS = 3
_SKU_PREFIX = re.compile(r"[A-Za-z0-9-]{1,64}")
"""What may be the beginning of a SKU; no character of it has a meaning in LIKE."""
_HYPHEN = re.compile(r"(?<=\w)-(?=\w)")
"""One inside a word: PostgreSQL takes the 100 of TEA-100 for minus a hundred."""
_COLUMNS = [column for column in products.c if column.name != "search"]
_KNOWN = select(*_COLUMNS)
_BY_SKU = _KNOWN.where(products.c.sku == bindparam("wanted"))
_ACTIVE_BY_SKU = _KNOWN.where(products.c.sku == any_(bindparam("wanted", type_=ARRAY(Text))), products.c.active)


class ProductNotFound(Exception):
    """There is no such product, or the public must not see it."""

    def __init__(self, sku: str) -> None:
        super().__init__(f"There is no product {sku}.")


class ChangedMeanwhile(Exception):
    """Somebody else keeps adding the product."""

    def __init__(self) -> None:
        super().__init__("The product keeps changing; try again.")


async def find(database: Database, sku: str) -> Product:
    """The active product. Raises ProductNotFound."""
    found = await find_all(database, [sku])
    if not found:
        raise ProductNotFound(sku)
    return found[0]


async def find_all(database: Database, skus: Collection[str]) -> list[Product]:
    """Those of the products that exist and are active, in no order."""
    async with database.connection() as connection:
        return [_product(row) for row in await connection.execute(_ACTIVE_BY_SKU, {"wanted": list(skus)})]


async def page(
    database: Database, *, search: str | None, category: str | None, after: str | None, limit: int
) -> list[Product]:
    """Up to `limit` active products in the order of their SKUs, beginning after the SKU `after`.

    search: words, as PostgreSQL's websearch_to_tsquery reads them; or the beginning of a SKU.
    """
    given: dict[str, str | None] = {"search": search, "category": category, "after": after}
    if search is not None:
        given["search"] = _HYPHEN.sub(" ", normalised(search))
        given["sku_prefix"] = f"{search.upper()}%" if _SKU_PREFIX.fullmatch(search) else None
    given = {name: value for name, value in given.items() if value is not None}
    async with database.connection() as connection:
        rows = await connection.execute(_page(frozenset(given)), {**given, "most": limit})
        return [_product(row) for row in rows]


async def put(
    database: Database,
    *,
    sku: str,
    content: Content,
    replaceable: Callable[[Product], bool] | None = None,
    now: datetime | None = None,
) -> tuple[Product, bool]:
    """The product as it is now, and whether it is new. Changes and publishes nothing when it has this content already.

    replaceable: whether the caller means to replace this product; without it any, and one that is not there.
    Raises OutdatedVersion, or ChangedMeanwhile when others add the product and are rolled back, again and again.
    """
    for _ in range(_ATTEMPTS):
        async with database.transaction() as tx:
            before = await _locked(tx, sku)
            after = domain.put(before, sku=sku, content=content, now=now or datetime.now(UTC))
            if after is before:
                return after, False
            if replaceable is not None and (before is None or not replaceable(before)):
                raise OutdatedVersion(sku)
            if await _stored(tx, after, new=before is None):
                await outbox.publish(tx, event_of(after))
                return after, before is None
    raise ChangedMeanwhile


@cache
def _page(given: frozenset[str]) -> Select[*tuple[Any, ...]]:
    """The statement for these parameters, and `most`. Made once: to make it takes longer than to execute it."""
    wanted = _KNOWN.where(products.c.active).order_by(products.c.sku).limit(bindparam("most"))
    if "search" in given:
        words = products.c.search.bool_op("@@")(func.websearch_to_tsquery("english", bindparam("search")))
        begins = products.c.sku.like(bindparam("sku_prefix"))
        wanted = wanted.where(or_(words, begins) if "sku_prefix" in given else words)
    if "category" in given:
        wanted = wanted.where(products.c.category == bindparam("category"))
    if "after" in given:
        wanted = wanted.where(products.c.sku > bindparam("after"))
    return wanted


async def _locked(tx: AsyncConnection, sku: str) -> Product | None:
    row = (await tx.execute(_BY_SKU.with_for_update(), {"wanted": sku})).one_or_none()
    return None if row is None else _product(row)


async def _stored(tx: AsyncConnection, product: Product, *, new: bool) -> bool:
    """False, and nothing is done, when somebody else has added the product since it was looked for."""
    if new:
        statement = insert(products).values(_row(product)).on_conflict_do_nothing()
        return (await tx.execute(statement)).rowcount == 1
    await tx.execute(update(products).where(products.c.sku == product.sku).values(_row(product)))
    return True


def _row(product: Product) -> dict[str, Any]:
    content = product.content
    return {
        "sku": product.sku,
        "name": content.name,
        "description": content.description,
        "category": content.category,
        "price_amount": content.list_price.amount,
        "currency": content.list_price.currency,
        "active": content.active,
        "version": product.version,
        "updated_at": product.updated_at,
    }


def _product(row: Row[*tuple[Any, ...]]) -> Product:
    # Not validated again: it was when it was stored, and a page holds a hundred of them.
    content = Content.model_construct(
        name=row.name,
        description=row.description,
        category=row.category,
        list_price=Money.model_construct(amount=row.price_amount, currency=row.currency),
        active=row.active,
    )
    return Product(sku=row.sku, content=content, version=row.version, updated_at=row.updated_at)
