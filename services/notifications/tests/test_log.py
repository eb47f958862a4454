"""The log of a person, as they read it."""

import itertools
from datetime import timedelta
from uuid import uuid4

import pytest
from chassis.database import Database
from chassis.messages import Event
from notifications import handlers

from .people import NOON, Person, cancelled, placed, signed_up

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def record(database: Database, *events: Event) -> None:
    for event in events:
        async with database.transaction() as tx:
            await handlers.record(tx, event)


async def test_an_entry_says_what_happened_when_and_to_what(ada: Person, database: Database) -> None:
    event = placed(ada, "o-1")
    await record(database, event)

    answer = await ada.read()

    assert answer.status_code == 200
    assert answer.json() == {
        "items": [
            {
                "id": str(event.id),
                "kind": "order.placed",
                "text": "You placed order o-1 for 12.50 EUR.",
                "occurred_at": "2026-01-02T12:00:00Z",
                "reference": "o-1",
            }
        ],
        "next_cursor": None,
    }


async def test_a_log_is_empty_until_something_happens(ada: Person) -> None:
    assert (await ada.read()).json() == {"items": [], "next_cursor": None}


async def test_a_person_reads_what_happened_to_them_and_to_nobody_else(
    ada: Person, bob: Person, database: Database
) -> None:
    await record(database, signed_up(ada, "Ada"), signed_up(bob, "Bob"))

    assert await ada.texts() == ["Welcome, Ada."]
    assert await bob.texts() == ["Welcome, Bob."]


async def test_the_cursor_of_one_person_shows_nothing_of_theirs_to_another(
    ada: Person, bob: Person, database: Database
) -> None:
    await record(
        database, signed_up(ada, "Ada"), placed(ada, "o-1"), signed_up(bob, "Bob", at=NOON - timedelta(hours=1))
    )
    cursor = (await ada.read(limit=1)).json()["next_cursor"]

    assert await bob.texts(cursor=cursor) == ["Welcome, Bob."]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_the_newest_comes_first_in_whatever_order_the_events_came(
    ada: Person, database: Database, order: tuple[int, ...]
) -> None:
    happened = [
        signed_up(ada, at=NOON),
        placed(ada, "o-1", at=NOON + timedelta(microseconds=1)),
        cancelled(ada, "o-1", at=NOON + timedelta(days=1)),
    ]

    await record(database, *(happened[number] for number in order))

    assert await ada.texts() == ["Order o-1 was cancelled.", "You placed order o-1 for 12.50 EUR.", "Welcome, Ada."]


async def test_an_event_that_comes_again_changes_nothing(ada: Person, database: Database) -> None:
    once = signed_up(ada, "Ada")
    await record(database, once, signed_up(ada, "Ada King", event_id=once.id), once)

    assert await ada.texts() == ["Welcome, Ada."]


async def test_only_entries_of_a_kind_are_shown_when_asked_for(ada: Person, database: Database) -> None:
    await record(database, signed_up(ada), placed(ada, "o-1"), cancelled(ada, "o-1"), placed(ada, "o-2"))

    assert await ada.texts(kind="user.created") == ["Welcome, Ada."]
    assert await ada.texts(kind="order.cancelled") == ["Order o-1 was cancelled."]
    assert sorted(itertools.chain(*await ada.pages(kind="order.placed", limit=1))) == [
        "You placed order o-1 for 12.50 EUR.",
        "You placed order o-2 for 12.50 EUR.",
    ]


@pytest.mark.parametrize("same_time", [False, True], ids=["one after the other", "all at the same time"])
@pytest.mark.parametrize(("limit", "sizes"), [(1, [1] * 6), (2, [2, 2, 2]), (4, [4, 2]), (6, [6]), (100, [6])])
async def test_pages_show_each_entry_once_newest_first(
    ada: Person, database: Database, same_time: bool, limit: int, sizes: list[int]
) -> None:
    step = timedelta(0) if same_time else timedelta(seconds=1)
    ids = sorted(uuid4() for _ in range(6))
    events = [signed_up(ada, str(n), at=NOON + n * step, event_id=event_id) for n, event_id in enumerate(ids)]
    await record(database, *events)

    pages = await ada.pages(limit=limit)

    assert [len(page) for page in pages] == sizes
    assert list(itertools.chain(*pages)) == [f"Welcome, {number}." for number in reversed(range(6))]


async def test_what_happens_while_pages_are_turned_moves_no_entry(ada: Person, database: Database) -> None:
    await record(database, *(signed_up(ada, str(number), at=NOON + timedelta(seconds=number)) for number in range(4)))
    first = (await ada.read(limit=2)).json()

    await record(database, signed_up(ada, "newer", at=NOON + timedelta(hours=1)))
    await record(database, signed_up(ada, "older", at=NOON - timedelta(hours=1)))
    rest = await ada.texts(cursor=first["next_cursor"])

    assert [item["text"] for item in first["items"]] == ["Welcome, 3.", "Welcome, 2."]
    assert rest == ["Welcome, 1.", "Welcome, 0.", "Welcome, older."]
