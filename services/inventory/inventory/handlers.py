"""The use cases: each is one transaction, in which stock, its reservation and the event about it change together."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import prometheus_client
from chassis import outbox
from chassis.database import Database
from chassis.messages import Event
from sqlalchemy import event as on
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from inventory import domain, events, store
from inventory.domain import Message, Move, Reservation
from inventory.store import Moved, Stock
from inventory.unit_of_work import StockUnitOfWork

EXPIRE_BATCH = 100

RESERVATIONS = prometheus_client.Counter(
    "reservations_total", "Reservations by the state that an order brought them to.", ["outcome"]
)
EXPIRED = prometheus_client.Counter(
    "reservations_expired_total", "Reservations whose stock was given back because time was over."
)


class StockNotFound(Exception):
    def __init__(self, sku: str) -> None:
        super().__init__(f"{sku} was never in stock.")


class BelowReserved(Exception):
    """Fewer pieces than orders have reserved."""

    def __init__(self, sku: str, reserved: int) -> None:
        super().__init__(f"{reserved} of {sku} are reserved for orders; there cannot be fewer on hand.")


async def find(database: Database, sku: str) -> Stock:
    """Raises StockNotFound."""
    found = await find_all(database, [sku])
    if not found:
        raise StockNotFound(sku)
    return found[0]


async def find_all(database: Database, skus: Sequence[str]) -> list[Stock]:
    """The known ones among the SKUs, in their order."""
    async with database.connection() as connection:
        return await store.read_stock(connection, skus)


async def set_on_hand(database: Database, sku: str, on_hand: int) -> tuple[Stock, bool]:
    """Sets the pieces on hand. Returns the stock, and whether the article is new. Raises BelowReserved."""
    try:
        async with database.transaction() as tx:
            return await _set_on_hand(tx, sku, on_hand)
    except IntegrityError:
        # Somebody else has just added the article, and articles are never removed.
        async with database.transaction() as tx:
            return await _set_on_hand(tx, sku, on_hand)


async def _set_on_hand(tx: AsyncConnection, sku: str, on_hand: int) -> tuple[Stock, bool]:
    before = (await store.lock_stock(tx, [sku])).get(sku)
    after = Stock(sku, on_hand, before.reserved if before else 0)
    if after.available < 0:
        raise BelowReserved(sku, after.reserved)
    if before is None:
        await store.add_stock(tx, after)
    elif after != before:
        await store.set_on_hand(tx, after)
    return after, before is None


async def order_placed(tx: AsyncConnection, event: Event, *, now: datetime | None = None) -> None:
    """Reserves all lines of the order or none, and publishes the result."""
    order = events.PLACED(event)
    lines: Counter[str] = Counter()
    for line in order.lines:
        lines[line.sku] += line.quantity
    await _change(tx, Message.PLACED, Reservation(order_id=order.order_id, lines=dict(lines)), now)


async def order_paid(tx: AsyncConnection, event: Event, *, now: datetime | None = None) -> None:
    """Takes the reserved pieces out of the stock; for an expired reservation, only if enough are still available."""
    order = events.PAID(event)
    await _change(tx, Message.PAID, Reservation(order_id=order.order_id), now)


async def order_cancelled(tx: AsyncConnection, event: Event, *, now: datetime | None = None) -> None:
    """Releases whatever the order holds, and prevents that it reserves anything later."""
    order = events.CANCELLED(event)
    await _change(tx, Message.CANCELLED, Reservation(order_id=order.order_id), now)


async def lock(tx: AsyncConnection, batch: Sequence[Event]) -> None:
    """Takes the locks that the handlers of these events will need, in the order in which everybody takes locks."""
    unit, told = StockUnitOfWork.of(tx), [events.READ[event.type](event) for event in batch]
    await unit.lock_reservations(tx, {one.order_id for one in told})
    skus = {line.sku for one in told if isinstance(one, events.OrderPlaced) for line in one.lines}
    known = (unit.reservation(one.order_id) for one in told)
    await unit.lock_stock(tx, skus.union(*(one.lines for one in known if one)))


async def _change(tx: AsyncConnection, message: Message, unknown: Reservation, now: datetime | None) -> None:
    """unknown: the reservation to start from when the order is unknown."""
    unit = StockUnitOfWork.of(tx)
    await unit.lock_reservations(tx, [unknown.order_id])
    before = unit.reservation(unknown.order_id) or unknown
    moves = domain.wanted_move(before, message) is not Move.NOTHING
    concerned = before.lines if moves else ()
    await unit.lock_stock(tx, concerned)
    available = unit.available(concerned)
    after, move = domain.change(before, message, available=available, now=now or datetime.now(UTC))
    if move is not Move.NOTHING:
        unit.move(move, before.lines)
    if after is not before:
        unit.save(after)
        _count_after_commit(tx, after)
    fact = domain.answer(after, message)
    answer = fact.data.event(source="inventory", aggregate_id=str(after.order_id), sequence=fact.sequence)
    await outbox.publish(tx, answer)


def _count_after_commit(tx: AsyncConnection, after: Reservation) -> None:
    """Counts the outcome after the commit: a batch that fails is handled again, and would be counted twice."""
    outcome = RESERVATIONS.labels(after.state.value)
    on.listen(tx.sync_connection, "commit", lambda _connection: outcome.inc())


async def expire(database: Database, now: datetime, at_most: int = EXPIRE_BATCH) -> int:
    """Frees the stock of up to `at_most` reservations that have expired; returns how many. Publishes nothing."""
    async with database.transaction() as tx:
        overdue = await store.lock_overdue(tx, now, at_most)
        if not overdue:
            return 0
        quantities: Counter[str] = Counter()
        for reservation in overdue:
            quantities.update(reservation.lines)
        await store.lock_stock(tx, quantities)
        freed = {sku: Moved(more_reserved=-pieces, moves=1) for sku, pieces in quantities.items()}
        await store.move_stock(tx, freed)
        changes = [domain.change(one, Message.OVERDUE, available={}, now=now) for one in overdue]
        await store.replace(tx, [change.after for change in changes])
    EXPIRED.inc(len(overdue))
    return len(overdue)
