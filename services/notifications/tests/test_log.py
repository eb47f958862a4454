"""The log of a person, as they read it."""

import itertools
from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

import pytest
from chassis import table as chassis_table
from chassis.table import Table
from chassis.table_inbox import TableInbox
from notifications import handlers
from notifications.api import CURSOR
from notifications.domain import RETENTION, fact_id
from notifications.subscriptions import HANDLERS

from .people import NOON, Person, cancelled, confirmed, placed, record, signed_up, told_again

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_an_entry_says_what_happened_when_and_to_what(ada: Person, table: Table) -> None:
    event = placed(ada, "o-1")
    await record(table, event)

    answer = await ada.read()

    assert answer.status_code == 200
    assert answer.json() == {
        "items": [
            {
                "id": str(fact_id(event)),
                "kind": "order.placed",
                "title": "Order placed",
                "text": "You placed order o-1 for 12.50 EUR.",
                "occurred_at": NOON.isoformat().replace("+00:00", "Z"),
                "reference": "o-1",
            }
        ],
        "next_cursor": None,
    }


async def test_a_log_is_empty_until_something_happens(ada: Person) -> None:
    assert (await ada.read()).json() == {"items": [], "next_cursor": None}


async def test_a_person_reads_what_happened_to_them_and_to_nobody_else(ada: Person, bob: Person, table: Table) -> None:
    await record(table, signed_up(ada, "Ada"), signed_up(bob, "Bob"))

    assert await ada.texts() == ["Welcome, Ada."]
    assert await bob.texts() == ["Welcome, Bob."]


async def test_the_cursor_of_one_person_shows_nothing_of_theirs_to_another(
    ada: Person, bob: Person, table: Table
) -> None:
    earlier = signed_up(bob, "Bob", occurred_at=NOON - timedelta(hours=1))
    await record(table, signed_up(ada, "Ada"), placed(ada, "o-1"), earlier)
    cursor = (await ada.read(limit=1)).json()["next_cursor"]

    assert await bob.texts(cursor=cursor) == ["Welcome, Bob."]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)])
async def test_the_newest_comes_first_in_whatever_order_the_events_came(
    ada: Person, table: Table, order: tuple[int, ...]
) -> None:
    happened = [
        signed_up(ada),
        placed(ada, "o-1", occurred_at=NOON + timedelta(microseconds=1)),
        confirmed(ada, "o-1", occurred_at=NOON + timedelta(seconds=1)),
        cancelled(ada, "o-2", occurred_at=NOON + timedelta(days=1)),
    ]

    await record(table, *(happened[number] for number in order))

    assert await ada.texts() == [
        "Order o-2 was cancelled at your request.",
        "Order o-1 for 12.50 EUR is confirmed.",
        "You placed order o-1 for 12.50 EUR.",
        "Welcome, Ada.",
    ]


async def test_the_order_of_time_does_not_depend_on_how_it_is_written(ada: Person, table: Table) -> None:
    noon = NOON.replace(tzinfo=None).isoformat()
    await record(
        table,
        placed(ada, "third", occurred_at=f"{noon}.5Z"),
        placed(ada, "second", occurred_at=f"{noon}+00:00"),
        placed(ada, "first", occurred_at=f"{noon}.9+02:00"),
    )

    assert [text.split()[3] for text in await ada.texts()] == ["third", "second", "first"]


async def test_an_event_that_comes_again_changes_nothing(ada: Person, table: Table) -> None:
    once = signed_up(ada, "Ada")
    await record(table, once, signed_up(ada, "Ada King", id=once.id), once)

    assert await ada.texts() == ["Welcome, Ada."]


async def test_a_fact_that_is_told_again_under_other_ids_and_times_makes_no_second_entry(
    ada: Person, table: Table
) -> None:
    once = cancelled(ada, "o-1")
    await record(table, once, told_again(once), told_again(once, occurred_at=NOON + timedelta(seconds=5)))

    assert len(await ada.texts()) == 1


async def test_a_fact_that_stands_twice_in_a_batch_makes_one_entry(ada: Person, table: Table) -> None:
    once = placed(ada, "o-1")
    batch = [(event, HANDLERS[event.type]) for event in (once, told_again(once), cancelled(ada, "o-1"))]

    assert await TableInbox(table).handle(batch) == [True, True, True]
    assert len(await ada.texts()) == 2


async def test_what_is_alike_but_of_another_aggregate_or_sequence_is_another_fact(ada: Person, table: Table) -> None:
    once = told_again(placed(ada, "o-1"), aggregate_id=f"1#{ada.id}")
    await record(
        table,
        once,
        told_again(once, sequence=2),
        told_again(once, aggregate_id=f"11#{ada.id}"),
        told_again(once, source="orders#1", aggregate_id=f"#{ada.id}"),
    )

    assert len(await ada.texts()) == 4


async def test_only_entries_of_a_kind_are_shown_when_asked_for(ada: Person, table: Table) -> None:
    await record(table, signed_up(ada), placed(ada, "o-1"), cancelled(ada, "o-1"), placed(ada, "o-2"))

    assert await ada.texts(kind="user.created") == ["Welcome, Ada."]
    assert await ada.texts(kind="order.cancelled") == ["Order o-1 was cancelled at your request."]
    assert await ada.texts(kind="order.confirmed") == []


async def test_pages_of_a_kind_are_full_however_rare_it_is(
    ada: Person, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chassis_table, "FILTER_PAGE_SIZE", 3)
    for number in range(20):
        make = confirmed if number in (0, 9, 10, 11, 19) else placed
        await record(table, make(ada, f"o-{number}", occurred_at=NOON + timedelta(seconds=number)))

    pages = await ada.pages(kind="order.confirmed", limit=2)

    assert [[text.split()[1] for text in page] for page in pages] == [["o-19", "o-11"], ["o-10", "o-9"], ["o-0"]]


@pytest.mark.parametrize("same_time", [False, True], ids=["one after the other", "all at the same time"])
@pytest.mark.parametrize(("limit", "sizes"), [(1, [1] * 6), (2, [2, 2, 2]), (4, [4, 2]), (6, [6]), (100, [6])])
async def test_pages_show_each_entry_once_newest_first(
    ada: Person, table: Table, same_time: bool, limit: int, sizes: list[int]
) -> None:
    step = timedelta(0) if same_time else timedelta(seconds=1)
    events = [placed(ada, str(number), occurred_at=NOON + number * step) for number in range(6)]
    await record(table, *events)

    pages = await ada.pages(limit=limit)

    assert [len(page) for page in pages] == sizes
    newest_first = sorted(events, key=lambda event: (event.occurred_at, str(fact_id(event))), reverse=True)
    expected = [f"You placed order {event.data['order_id']} for 12.50 EUR." for event in newest_first]
    assert list(itertools.chain(*pages)) == expected


async def test_what_happens_while_pages_are_turned_moves_no_entry(ada: Person, table: Table) -> None:
    await record(table, *(placed(ada, str(n), occurred_at=NOON + timedelta(seconds=n)) for n in range(4)))
    first = (await ada.read(limit=2)).json()

    await record(table, placed(ada, "newer", occurred_at=NOON + timedelta(hours=1)))
    await record(table, placed(ada, "older", occurred_at=NOON - timedelta(hours=1)))
    rest = await ada.texts(cursor=first["next_cursor"])

    assert [item["reference"] for item in first["items"]] == ["3", "2"]
    assert [text.split()[3] for text in rest] == ["1", "0", "older"]


async def test_a_place_made_up_by_the_caller_is_one_in_their_own_log(ada: Person, table: Table) -> None:
    await record(table, *(placed(ada, str(n), occurred_at=NOON + timedelta(minutes=n)) for n in range(3)))
    between = (NOON + timedelta(seconds=90)).astimezone(timezone(timedelta(hours=-2)))

    assert [text.split()[3] for text in await ada.texts(cursor=CURSOR.encode((between, uuid4())))] == ["1", "0"]


async def test_an_entry_is_kept_for_four_hundred_days_after_its_fact(ada: Person, table: Table) -> None:
    now = datetime.now(UTC)
    young = placed(ada, "young", occurred_at=now - RETENTION + timedelta(minutes=1))
    await record(table, young, placed(ada, "old", occurred_at=now - RETENTION - timedelta(minutes=1)))
    assert [text.split()[3] for text in await ada.texts()] == ["young"]

    (item,) = await table.query(f"person#{ada.id}", limit=9)

    assert item["expires_at"] == int((young.occurred_at + timedelta(days=400)).timestamp())


async def test_an_entry_is_gone_when_it_has_expired(ada: Person, table: Table) -> None:
    event = placed(ada, "o-1", occurred_at=datetime.now(UTC) - RETENTION - timedelta(minutes=1))
    async with table.transaction() as tx:
        await handlers.record(tx, event, now=event.occurred_at)

    assert await ada.texts() == []
