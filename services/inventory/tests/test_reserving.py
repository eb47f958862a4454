"""What becomes of stock, reservation and answers when the messages about an order arrive, on each engine."""

from datetime import timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa
from chassis.database import Database
from chassis.messages import Event
from inventory import handlers
from inventory.domain import RESERVED_FOR
from inventory.tables import stock
from prometheus_client import REGISTRY
from pydantic import ValidationError

from .warehouse import NOON, Warehouse, as_json, cancelled, paid, placed


async def test_all_lines_of_an_order_are_reserved_for_a_quarter_of_an_hour(warehouse: Warehouse) -> None:
    order = uuid4()
    await warehouse.fill(TEA=5, CUP=1)

    await warehouse.hear(placed(order, TEA=2, CUP=1), now=NOON)

    assert await warehouse.all_stock() == {"TEA": (5, 2), "CUP": (1, 1)}
    (answer,) = await warehouse.published(order)
    assert as_json(answer) == {
        "type": "stock.reserved",
        "version": 1,
        "source": "inventory",
        "aggregate_id": str(order),
        "sequence": 1,
        "data": {"order_id": str(order), "expires_at": "2026-01-02T12:15:00Z"},
    }


async def test_an_order_with_one_line_too_many_reserves_nothing_and_is_told_what_is_short(warehouse: Warehouse) -> None:
    order = uuid4()
    await warehouse.fill(TEA=5, CUP=1)

    await warehouse.hear(placed(order, TEA=2, CUP=3, POT=1), now=NOON)

    assert await warehouse.all_stock() == {"TEA": (5, 0), "CUP": (1, 0)}
    (answer,) = await warehouse.published(order)
    assert (answer.type, answer.sequence) == ("stock.rejected", 1)
    assert answer.data == {
        "order_id": str(order),
        "reason": "Not enough in stock: CUP (1 of 3), POT (0 of 1).",
        "short": [{"sku": "CUP", "wanted": 3, "available": 1}, {"sku": "POT", "wanted": 1, "available": 0}],
    }


async def test_what_one_order_has_reserved_is_not_there_for_the_next_one(warehouse: Warehouse) -> None:
    first, second = uuid4(), uuid4()
    await warehouse.fill(TEA=3)

    await warehouse.hear(placed(first, TEA=2), placed(second, TEA=2))

    assert await warehouse.stock("TEA") == (3, 2)
    (answer,) = await warehouse.published(second)
    assert answer.data["short"] == [{"sku": "TEA", "wanted": 2, "available": 1}]


async def test_lines_of_the_same_article_count_together(warehouse: Warehouse) -> None:
    order = uuid4()
    await warehouse.fill(TEA=3)
    wanted = placed(order, TEA=2)
    wanted.data["lines"] *= 2

    await warehouse.hear(wanted)

    assert await warehouse.stock("TEA") == (3, 0)
    assert (await warehouse.published(order))[0].data["short"] == [{"sku": "TEA", "wanted": 4, "available": 3}]


async def test_a_paid_order_takes_its_pieces_out_of_the_stock(warehouse: Warehouse) -> None:
    order = uuid4()
    await warehouse.fill(TEA=5)

    await warehouse.hear(placed(order, TEA=2))
    await warehouse.hear(paid(order))

    assert await warehouse.stock("TEA") == (3, 0)
    assert await warehouse.told(order) == [("stock.reserved", 1), ("stock.committed", 2)]


async def test_a_cancelled_order_gives_its_reserved_pieces_back(warehouse: Warehouse) -> None:
    order = uuid4()
    await warehouse.fill(TEA=5)

    await warehouse.hear(placed(order, TEA=2))
    await warehouse.hear(cancelled(order))

    assert await warehouse.stock("TEA") == (5, 0)
    assert await warehouse.told(order) == [("stock.reserved", 1), ("stock.released", 2)]


async def test_an_order_that_is_cancelled_after_its_payment_brings_its_pieces_back(warehouse: Warehouse) -> None:
    order = uuid4()
    await warehouse.fill(TEA=5)

    await warehouse.hear(placed(order, TEA=2))
    await warehouse.hear(paid(order))
    await warehouse.hear(cancelled(order))

    assert await warehouse.stock("TEA") == (5, 0)
    assert await warehouse.told(order) == [("stock.reserved", 1), ("stock.committed", 2), ("stock.released", 3)]


async def test_an_order_that_was_cancelled_before_it_came_reserves_nothing_any_more(warehouse: Warehouse) -> None:
    order = uuid4()
    await warehouse.fill(TEA=5)

    await warehouse.hear(cancelled(order))
    await warehouse.hear(placed(order, TEA=2))
    await warehouse.hear(paid(order))

    assert await warehouse.stock("TEA") == (5, 0)
    assert await warehouse.told(order) == [("stock.released", 1)] * 3


async def test_an_expired_order_that_is_paid_after_all_takes_its_pieces_again(warehouse: Warehouse) -> None:
    order = uuid4()
    await warehouse.fill(TEA=2)
    await warehouse.hear(placed(order, TEA=2), now=NOON)
    await warehouse.expire(NOON + RESERVED_FOR)

    await warehouse.hear(paid(order))

    assert await warehouse.stock("TEA") == (0, 0)
    assert await warehouse.told(order) == [("stock.reserved", 1), ("stock.committed", 3)]


async def test_an_expired_order_whose_pieces_are_gone_is_rejected_when_it_is_paid(warehouse: Warehouse) -> None:
    late, quick = uuid4(), uuid4()
    await warehouse.fill(TEA=2)
    await warehouse.hear(placed(late, TEA=2), now=NOON)
    await warehouse.expire(NOON + RESERVED_FOR)
    await warehouse.hear(placed(quick, TEA=1))

    await warehouse.hear(paid(late))

    assert await warehouse.stock("TEA") == (2, 1)
    assert await warehouse.told(late) == [("stock.reserved", 1), ("stock.rejected", 3)]
    assert (await warehouse.published(late))[1].data["short"] == [{"sku": "TEA", "wanted": 2, "available": 1}]


async def test_a_message_that_is_repeated_under_another_id_is_answered_with_the_same_fact(warehouse: Warehouse) -> None:
    """Whatever has happened in between, and with nothing moved again."""
    good, bad = uuid4(), uuid4()
    await warehouse.fill(TEA=5)
    await warehouse.hear(placed(good, TEA=2), now=NOON)
    await warehouse.hear(placed(bad, TEA=9), now=NOON)
    await warehouse.hear(paid(good))
    await warehouse.fill(TEA=100)

    later = NOON + timedelta(minutes=1)
    await warehouse.hear(placed(good, TEA=2), placed(bad, TEA=9), paid(good), now=later)

    reserved, committed, *repeated = map(as_json, await warehouse.published(good))
    assert repeated == [reserved, committed]
    rejected, *repeated = map(as_json, await warehouse.published(bad))
    assert repeated == [rejected]
    assert await warehouse.stock("TEA") == (100, 0)


@pytest.mark.parametrize("first", ["placed", "paid", "nothing"])
async def test_order_cancelled_is_answered_as_often_as_it_comes(warehouse: Warehouse, first: str) -> None:
    order = uuid4()
    await warehouse.fill(TEA=5)
    before = {"nothing": [], "placed": [placed(order, TEA=2)], "paid": [placed(order, TEA=2), paid(order)]}[first]
    await warehouse.hear(*before)

    for _ in range(3):
        await warehouse.hear(cancelled(order))

    assert await warehouse.stock("TEA") == (5, 0)
    assert (await warehouse.told(order))[len(before) :] == [("stock.released", len(before) + 1)] * 3


async def test_a_copy_of_an_event_is_not_even_answered(warehouse: Warehouse) -> None:
    order = uuid4()
    await warehouse.fill(TEA=5)
    wanted = placed(order, TEA=2)

    assert await warehouse.hear(wanted, wanted) == [True, False]
    assert await warehouse.hear(wanted) == [False]

    assert await warehouse.stock("TEA") == (5, 2)
    assert await warehouse.told(order) == [("stock.reserved", 1)]


async def test_a_batch_in_which_one_event_fails_leaves_nothing(warehouse: Warehouse) -> None:
    await warehouse.fill(TEA=5)
    order = uuid4()

    with pytest.raises(ValidationError):
        await warehouse.hear(placed(order, TEA=2), placed(uuid4(), TEA=0))

    assert await warehouse.stock("TEA") == (5, 0)
    assert (await warehouse.states(), await warehouse.published(order)) == ([], [])


async def test_each_change_of_a_reservation_is_counted_once(warehouse: Warehouse) -> None:
    order, short = uuid4(), uuid4()
    await warehouse.fill(TEA=5)
    before = counters()

    await warehouse.hear(placed(order, TEA=2), placed(short, TEA=9))
    await warehouse.hear(placed(order, TEA=2))
    await warehouse.hear(paid(order))
    await warehouse.hear(cancelled(short))

    counted = {outcome: count - before[outcome] for outcome, count in counters().items()}
    assert counted == {"reserved": 1, "rejected": 1, "committed": 1, "released": 1}


async def test_what_is_rolled_back_is_not_counted(warehouse: Warehouse, database: Database) -> None:
    await warehouse.fill(TEA=5)
    before = counters()

    async def reserve_and_fail() -> None:
        async with database.transaction() as tx:
            await handlers.order_placed(tx, placed(uuid4(), TEA=2))
            raise LookupError

    with pytest.raises(LookupError):
        await reserve_and_fail()

    assert counters() == before


async def test_each_change_of_stock_raises_its_version(warehouse: Warehouse, database: Database) -> None:
    order = uuid4()
    await warehouse.fill(TEA=5)
    await warehouse.fill(TEA=6)
    await warehouse.fill(TEA=6)
    await warehouse.hear(placed(order, TEA=2), placed(uuid4(), TEA=9))
    await warehouse.hear(paid(order))

    async with database.connection() as connection:
        assert await connection.scalar(sa.select(stock.c.version)) == 4


def lacking(member: str) -> Event:
    event = placed(uuid4(), TEA=1)
    del event.data[member]
    return event


def with_lines(*lines: dict[str, object]) -> Event:
    event = placed(uuid4(), TEA=1)
    event.data["lines"] = list(lines)
    return event


async def test_an_order_that_cannot_be_understood_fails_and_changes_nothing(warehouse: Warehouse) -> None:
    await warehouse.fill(TEA=5)
    for event in (
        lacking("order_id"),
        lacking("lines"),
        with_lines(),
        with_lines({"sku": "TEA"}),
        with_lines({"sku": "tea", "quantity": 1}),
        with_lines({"sku": "TEA", "quantity": 0}),
        with_lines({"sku": "TEA", "quantity": -1}),
        with_lines({"sku": "TEA", "quantity": 1.5}),
        with_lines({"sku": "TEA", "quantity": "1"}),
        with_lines({"sku": "TEA", "quantity": True}),
        with_lines({"sku": "TEA", "quantity": 10**30}),
    ):
        try:
            await warehouse.hear(event)
        except ValidationError:
            continue
        pytest.fail(f"this was handled: {event.data}")
    assert (await warehouse.stock("TEA"), await warehouse.states()) == ((5, 0), [])


async def test_an_order_may_have_a_hundred_lines(warehouse: Warehouse) -> None:
    order, lines = uuid4(), {f"TEA-{number}": 1000 for number in range(100)}
    await warehouse.fill(**dict.fromkeys(lines, 1000))

    await warehouse.hear(placed(order, **lines))
    await warehouse.hear(paid(order))

    assert await warehouse.told(order) == [("stock.reserved", 1), ("stock.committed", 2)]
    assert set((await warehouse.all_stock()).values()) == {(0, 0)}


def counters() -> dict[str, float]:
    outcomes = ("reserved", "rejected", "committed", "released")
    return {one: REGISTRY.get_sample_value("reservations_total", {"outcome": one}) or 0 for one in outcomes}
