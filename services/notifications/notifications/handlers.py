"""The use case: a fact becomes an entry."""

from collections.abc import Collection
from datetime import UTC, datetime

from chassis.items import Key
from chassis.messages import Event
from chassis.table import TableTransaction

from notifications import store
from notifications.domain import entry_of, fact_id


async def record(tx: TableTransaction, event: Event, now: datetime | None = None) -> None:
    """Writes the entry of an event, once for its fact, and has it sent.

    Entries do not depend on each other and are sorted by the time of their events when they are read, so the order
    of arrival does not matter. A fact so old that its entry would have expired is not told.
    """
    now = now or datetime.now(UTC)
    entry = entry_of(event)
    if entry.expires_at > now.timestamp() and not await store.is_known(tx, entry.id):
        store.add(tx, entry, now)


def reads(event: Event) -> Collection[Key]:
    """What `record` is going to read."""
    return [store.fact(fact_id(event))]
