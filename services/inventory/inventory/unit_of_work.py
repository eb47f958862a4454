"""The unit of work of a transaction: it locks reservations and stock once, changes them in memory and writes them last.

So a batch of messages takes as many statements as a single message.
"""

from collections.abc import Collection
from typing import Self
from uuid import UUID

from chassis.database import unit_of_work
from sqlalchemy.ext.asyncio import AsyncConnection

from inventory import store
from inventory.domain import Move, Quantities, Reservation
from inventory.store import Moved, Stock


class StockUnitOfWork:
    """Lock reservations first, then stock: the order in which everybody takes locks (see store)."""

    def __init__(self) -> None:
        self._reservations: dict[UUID, Reservation | None] = {}
        self._stock: dict[str, Stock | None] = {}
        self._new: set[UUID] = set()
        self._changed: set[UUID] = set()
        self._moved: dict[str, Moved] = {}

    @classmethod
    def of(cls, tx: AsyncConnection) -> Self:
        """The unit of work of this transaction."""
        return unit_of_work(tx, cls)

    async def lock_reservations(self, tx: AsyncConnection, order_ids: Collection[UUID]) -> None:
        if wanted := sorted(set(order_ids) - self._reservations.keys()):
            self._reservations |= dict.fromkeys(wanted)
            self._reservations |= {one.order_id: one for one in await store.lock_reservations(tx, wanted)}

    async def lock_stock(self, tx: AsyncConnection, skus: Collection[str]) -> None:
        if wanted := sorted(set(skus) - self._stock.keys()):
            self._stock |= dict.fromkeys(wanted)
            self._stock |= await store.lock_stock(tx, wanted)

    def reservation(self, order_id: UUID) -> Reservation | None:
        """The reservation of an order, which must be locked; None for an unknown order."""
        return self._reservations[order_id]

    def available(self, skus: Collection[str]) -> Quantities:
        """The available pieces of locked stock, without unknown SKUs."""
        return {sku: known.available for sku in skus if (known := self._stock[sku])}

    def move(self, move: Move, quantities: Quantities) -> None:
        """Records a move of so many pieces of locked stock."""
        for sku, quantity in quantities.items():
            on_hand, reserved = move.on_hand * quantity, move.reserved * quantity
            before = self._moved.get(sku, Moved())
            self._moved[sku] = Moved(before.more_on_hand + on_hand, before.more_reserved + reserved, before.moves + 1)
            if known := self._stock[sku]:
                self._stock[sku] = Stock(sku, known.on_hand + on_hand, known.reserved + reserved)

    def save(self, after: Reservation) -> None:
        """Records the new state of a locked reservation."""
        if self._reservations[after.order_id] is None:
            self._new.add(after.order_id)
        elif after.order_id not in self._new:
            self._changed.add(after.order_id)
        self._reservations[after.order_id] = after

    async def write(self, tx: AsyncConnection) -> None:
        """See chassis.database.UnitOfWork."""
        if self._moved:
            await store.move_stock(tx, self._moved)
        for keys, keep in ((self._new, store.add), (self._changed, store.replace)):
            if kept := [one for key in keys if (one := self._reservations[key])]:
                await keep(tx, kept)
        self._moved.clear()
        self._new.clear()
        self._changed.clear()
