"""The items of this service in its table, and how they are written and read.

| pk | sk | is |
| --- | --- | --- |
| `person#<id>` | `<time of the fact>#<id of the fact>` | an entry of a person's log |
| `fact#<id>` | `fact` | that the fact has its entry; its time alone could differ when it is told again |
| `unsent` | `<due time>#<id of the fact>` | an entry that is still to be sent |

Times are UTC with six decimals, which sort as texts. The chassis adds the items of the inbox.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from chassis.items import Item, Key
from chassis.table import Table, TableTransaction

from notifications.domain import Entry, Kind

UNSENT = "unsent"
"""One partition, which takes about 1000 units of writing a second: some 250 notifications, more than senders send."""
SENT_WITHIN = timedelta(days=2)
"""What could not be sent by then is not sent any more: it would surprise. The log has it all the same."""


@dataclass(frozen=True, kw_only=True)
class Unsent:
    """An entry that is to be sent, at `due_at`. `attempts` were begun before."""

    entry: Entry
    due_at: datetime
    expires_at: int
    attempts: int = 0

    @property
    def key(self) -> Key:
        return Key(UNSENT, _place(self.due_at, self.entry.id))


async def is_known(tx: TableTransaction, fact_id: UUID) -> bool:
    return await tx.get(fact(fact_id)) is not None


def add(tx: TableTransaction, entry: Entry, now: datetime) -> None:
    """Adds the entry to the log and to the unsent ones. If its fact has an entry already, the transaction conflicts."""
    told = fact(entry.id)
    tx.put({"pk": told.pk, "sk": told.sk, "expires_at": entry.expires_at}, if_absent=True)
    place = {"pk": _log(entry.person_id), "sk": _place(entry.occurred_at, entry.id)}
    tx.put(place | {"expires_at": entry.expires_at} | entry.model_dump(mode="json"))
    unsent = Unsent(entry=entry, due_at=now, expires_at=int((now + SENT_WITHIN).timestamp()))
    tx.put(_item(unsent))


async def read(
    table: Table, person_id: str, *, kind: Kind | None, after: tuple[datetime, UUID] | None, limit: int
) -> list[Entry]:
    """Up to `limit` entries of a person, newest first, from behind the place of `after`: a time and an id."""
    items = await table.query(
        _log(person_id),
        limit=limit,
        descending=True,
        before=_place(*after) if after else None,
        where={"kind": kind} if kind else None,
    )
    return [Entry.model_validate(item) for item in items]


async def due(table: Table, now: datetime, limit: int) -> Sequence[Unsent]:
    """Up to `limit` unsent entries that are due, the longest due first."""
    items = await table.query(UNSENT, limit=limit, before=_time(now))
    return [_unsent(item) for item in items]


async def claim(table: Table, each_until: Sequence[tuple[Unsent, datetime]]) -> list[Unsent]:
    """Claims all of them for one attempt, by moving each one's due time; no other process finds them due before that.

    Raises ConflictError, and claims none, when another process has claimed one of them. When the process dies before it
    has sent one, that is sent again at its new due time.
    """
    claimed = [replace(unsent, due_at=until, attempts=unsent.attempts + 1) for unsent, until in each_until]
    async with table.transaction() as tx:
        for unsent, _ in each_until:
            tx.delete(unsent.key, if_present=True)
        for each in claimed:
            tx.put(_item(each))
    return claimed


async def delete_sent(table: Table, sent: Sequence[Unsent]) -> None:
    """Deletes what was sent."""
    async with table.transaction() as tx:
        for each in sent:
            tx.delete(each.key)


def _item(unsent: Unsent) -> Item:
    return {
        "pk": unsent.key.pk,
        "sk": unsent.key.sk,
        "expires_at": unsent.expires_at,
        "attempts": unsent.attempts,
        "due_at": unsent.due_at.isoformat(),
        "entry": unsent.entry.model_dump(mode="json"),
    }


def _unsent(item: Item) -> Unsent:
    return Unsent(
        entry=Entry.model_validate(item["entry"]),
        due_at=datetime.fromisoformat(str(item["due_at"])),
        expires_at=int(str(item["expires_at"])),
        attempts=int(str(item["attempts"])),
    )


def _log(person_id: str) -> str:
    return f"person#{person_id}"


def fact(fact_id: UUID) -> Key:
    """Where it says that the fact has its entry."""
    return Key(f"fact#{fact_id}", "fact")


def _place(time: datetime, fact_id: UUID) -> str:
    return f"{_time(time)}#{fact_id}"


def _time(time: datetime) -> str:
    return f"{time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
