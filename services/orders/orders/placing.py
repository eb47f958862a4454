"""Placing an order: once for each Idempotency-Key, at the catalogue's prices less the promotions."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

import structlog
from chassis.database import Database
from sqlalchemy import delete, select, tuple_
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from orders import events, metrics, streams
from orders.domain import basket as baskets
from orders.domain import order as orders
from orders.domain.basket import Basket, NewOrder, OrderRefused, Product, UntrustedQuote
from orders.domain.order import Order, OrderPlaced, Recorded
from orders.products import Products
from orders.quotes import Quotes, QuoteUnavailable
from orders.tables import idempotency_keys

KEY_RETENTION = timedelta(hours=24)

_PRUNE_BATCH = 5_000
_LOCK_TIMEOUTS = frozenset({"55P03", "57014"})
"""PostgreSQL's lock_not_available and query_canceled: the lock or the statement took its whole time."""

log = structlog.get_logger(__name__)


class KeyReused(Exception):
    """The Idempotency-Key was used for another order."""

    def __init__(self) -> None:
        super().__init__("You have placed another order under this Idempotency-Key; a new order needs a new key.")


class StillInProgress(Exception):
    """A request with the same Idempotency-Key is still being handled, for longer than a caller should wait."""

    def __init__(self) -> None:
        super().__init__("An earlier request with this Idempotency-Key is not finished; send this one again later.")


class OrderPlacement:
    """The use case of placing an order."""

    def __init__(self, database: Database, prices: Quotes) -> None:
        self._database = database
        self._products = Products(database)
        self._prices = prices

    async def place(self, *, customer_id: str, wanted: NewOrder, key: str) -> tuple[Order, bool]:
        """Returns the new order and False; for a key that was used before, its order as it was placed, and True.

        Waits while another transaction places an order under the same key.

        Raises an OrderRefused, KeyReused or StillInProgress.
        """
        fingerprint = sha256(wanted.model_dump_json().encode()).digest()
        try:
            basket = await self._priced(wanted)
        except OrderRefused:
            # A repeated request: the product may have been for sale when the order was placed.
            earlier = await self._order_of_key(customer_id, key, fingerprint)
            if earlier is None:
                raise
            return earlier, True
        return await self._store(customer_id, wanted, basket, key, fingerprint)

    async def _store(
        self, customer_id: str, wanted: NewOrder, basket: Basket, key: str, fingerprint: bytes
    ) -> tuple[Order, bool]:
        event = OrderPlaced(customer_id=customer_id, basket=basket, payment_method=wanted.payment_method)
        first = Recorded(version=1, occurred_at=datetime.now(UTC), event=event)
        order = orders.placed(uuid7(), first)
        try:
            order_id, known = await streams.begin(
                self._database, order, first, events.order_placed(order, first), key=key, fingerprint=fingerprint
            )
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) in _LOCK_TIMEOUTS:
                raise StillInProgress from error
            raise
        if order_id == order.id:
            metrics.ORDERS.labels(order.status, "").inc()
            return order, False
        async with self._database.connection() as connection:
            return await _replayed(connection, order_id, known, fingerprint), True

    async def _priced(self, wanted: NewOrder) -> Basket:
        """The basket with discounts, if they can be had. Raises an OrderRefused."""
        products = await self._products.find([item.sku for item in wanted.lines])
        basket = baskets.at_list_prices(wanted.lines, products)
        lines = [(products[line.sku], line.quantity) for line in basket.lines]
        return await self._discounted(basket, lines, wanted.coupons)

    async def _discounted(self, basket: Basket, lines: Sequence[tuple[Product, int]], coupons: Sequence[str]) -> Basket:
        try:
            return baskets.discounted(basket, await self._prices.quote(lines, coupons))
        except QuoteUnavailable:
            metrics.PRICES_FALLBACK.labels("unavailable").inc()
        except UntrustedQuote as error:
            log.error("quote_untrusted", reason=str(error))
            metrics.PRICES_FALLBACK.labels("untrusted").inc()
        return basket

    async def _order_of_key(self, customer_id: str, key: str, fingerprint: bytes) -> Order | None:
        keys = idempotency_keys.c
        claimed = select(keys.order_id, keys.fingerprint).where(keys.customer_id == customer_id, keys.key == key)
        async with self._database.connection() as connection:
            claim = (await connection.execute(claimed)).one_or_none()
            if claim is None:
                return None
            return await _replayed(connection, claim.order_id, claim.fingerprint, fingerprint)


async def prune_keys(database: Database, now: datetime) -> int:
    """Deletes a bounded number of keys that are older than KEY_RETENTION; returns how many."""
    key = tuple_(idempotency_keys.c.customer_id, idempotency_keys.c.key)
    old = (
        select(idempotency_keys.c.customer_id, idempotency_keys.c.key)
        .where(idempotency_keys.c.created_at < now - KEY_RETENTION)
        .limit(_PRUNE_BATCH)
        .with_for_update(skip_locked=True)
    )
    async with database.transaction() as tx:
        return (await tx.execute(delete(idempotency_keys).where(key.in_(old)))).rowcount


async def _replayed(connection: AsyncConnection, order_id: UUID, known: bytes, fingerprint: bytes) -> Order:
    """The order as it was placed, without later changes. Raises KeyReused when the fingerprints differ."""
    if known != fingerprint:
        raise KeyReused
    first, *_ = await streams.history(connection, order_id)
    return orders.placed(order_id, first)
