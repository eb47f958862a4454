"""Reservations and stock in the database, with their row locks.

Everybody takes locks in the same order, to avoid deadlocks: reservations first, then stock, in the order of the SKUs.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import UUID

from chassis.sql import one_of
from sqlalchemy import RowMapping, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from inventory.domain import Reservation, State
from inventory.tables import reservations, stock


class Stock(NamedTuple):
    """The pieces of one article: those in the house, and how many of them are set aside for orders."""

    sku: str
    on_hand: int
    reserved: int

    @property
    def available(self) -> int:
        return self.on_hand - self.reserved


class Moved(NamedTuple):
    """How many more pieces of an article are on hand and reserved, after so many moves."""

    more_on_hand: int = 0
    more_reserved: int = 0
    moves: int = 0


_CHANGING = ("state", "version", "expires_at", "short")
_SOME = one_of(stock.c.sku, bindparam("skus"))
_STOCK = select(stock.c.sku, stock.c.on_hand, stock.c.reserved).where(_SOME).order_by(stock.c.sku)
_LOCK_STOCK = _STOCK.with_for_update()
_MOVE = (
    update(stock)
    .where(stock.c.sku == bindparam("of_sku"))
    .values(
        on_hand=stock.c.on_hand + bindparam("more_on_hand"),
        reserved=stock.c.reserved + bindparam("more_reserved"),
        version=stock.c.version + bindparam("moves"),
    )
)
_RESERVATIONS = (
    select(reservations)
    .where(one_of(reservations.c.order_id, bindparam("order_ids")))
    .order_by(reservations.c.order_id)
)
_LOCK_RESERVATIONS = _RESERVATIONS.with_for_update()
_LOCK_FREE_RESERVATIONS = _RESERVATIONS.with_for_update(skip_locked=True)
_ADD = insert(reservations)
_CHANGE = (
    update(reservations)
    .where(reservations.c.order_id == bindparam("of_order"))
    .values({name: bindparam(f"new_{name}") for name in _CHANGING})
)


async def read_stock(connection: AsyncConnection, skus: Collection[str]) -> list[Stock]:
    """What is known of the SKUs, in their order."""
    return [Stock(*row) for row in await connection.execute(_STOCK, {"skus": list(skus)})]


async def lock_stock(tx: AsyncConnection, skus: Collection[str]) -> dict[str, Stock]:
    """The stock of the SKUs that are known, locked until the end of the transaction."""
    if not skus:
        return {}
    return {row.sku: Stock(*row) for row in await tx.execute(_LOCK_STOCK, {"skus": list(skus)})}


async def add_stock(tx: AsyncConnection, new: Stock) -> None:
    """Raises sqlalchemy.exc.IntegrityError when another transaction has just added the same article."""
    await tx.execute(insert(stock).values(sku=new.sku, on_hand=new.on_hand, reserved=new.reserved, version=1))


async def set_on_hand(tx: AsyncConnection, after: Stock) -> None:
    """Updates the pieces on hand of locked stock."""
    changed = {"on_hand": after.on_hand, "version": stock.c.version + 1}
    await tx.execute(update(stock).where(stock.c.sku == after.sku).values(changed))


async def move_stock(tx: AsyncConnection, moved: Mapping[str, Moved]) -> None:
    """Moves the pieces of locked stock, by SKU."""
    rows = [{"of_sku": sku, **each._asdict()} for sku, each in sorted(moved.items())]
    await tx.execute(_MOVE, rows)


async def lock_reservations(tx: AsyncConnection, order_ids: Collection[UUID]) -> list[Reservation]:
    """The reservations of the orders that have one, locked until the end of the transaction."""
    rows = await tx.execute(_LOCK_RESERVATIONS, {"order_ids": list(order_ids)})
    return [_reservation(row._mapping) for row in rows]


async def lock_overdue(tx: AsyncConnection, now: datetime, at_most: int) -> Sequence[Reservation]:
    """Locks those of the `at_most` longest overdue reservations that no other transaction has locked.

    They are selected by time first and then locked by key: SELECT ... FOR UPDATE by time would make MySQL lock entries
    of the index by time, for which a transaction that holds stock may be waiting.
    """
    overdue = (
        select(reservations.c.order_id)
        .where(reservations.c.state == State.RESERVED, reservations.c.expires_at <= now)
        .order_by(reservations.c.expires_at)
        .limit(at_most)
    )
    rows = await tx.execute(_LOCK_FREE_RESERVATIONS, {"order_ids": list(await tx.scalars(overdue))})
    locked = [_reservation(row._mapping) for row in rows]
    # Meanwhile somebody may have changed one, and gone.
    return [one for one in locked if one.state is State.RESERVED]


async def add(tx: AsyncConnection, new: Collection[Reservation]) -> None:
    """Raises sqlalchemy.exc.IntegrityError when another transaction has just added one of them."""
    # Sorted: two transactions that add the same orders must not wait for each other in a circle.
    await tx.execute(_ADD, sorted(map(_row, new), key=itemgetter("order_id")))


async def replace(tx: AsyncConnection, changed: Collection[Reservation]) -> None:
    """Updates locked reservations. Their lines never change."""
    rows = [
        {"of_order": row["order_id"], **{f"new_{name}": row[name] for name in _CHANGING}} for row in map(_row, changed)
    ]
    await tx.execute(_CHANGE, rows)


def _row(reservation: Reservation) -> dict[str, Any]:
    return reservation.model_dump() | {"short": [each.model_dump() for each in reservation.short]}


def _reservation(row: RowMapping) -> Reservation:
    return Reservation.model_validate(dict(row))
