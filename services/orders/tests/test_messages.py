"""An order on its way through stock and payment: each message comes once, twice, late, or with others at once."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from chassis.database import Database
from chassis.messages import Event, UnsupportedVersion
from orders.subscriptions import HANDLERS
from orders.tables import orders, sagas
from prometheus_client import REGISTRY
from pydantic import ValidationError
from structlog.testing import capture_logs

from tests.fixtures import eventually

from .customers import Customer, id_of, waiting
from .others import PAID, SAID, TO_CONFIRMED, TO_PAID, TO_RESERVED, deliver, facts, outgoing, said, say

WAYS: dict[str, tuple[tuple[str, ...], list[str], dict[str, Any] | None]] = {
    "confirmed": (TO_CONFIRMED, ["placed", "reserved", "paid", "confirmed"], None),
    "out of stock at once": (
        ("stock.rejected", "stock.released"),
        ["placed", "cancelled"],
        {"cause": "out_of_stock", "reason": "Only 1 of TEA is left."},
    ),
    "payment declined": (
        (*TO_RESERVED, "payment.declined", "stock.released"),
        ["placed", "reserved", "cancelled"],
        {"cause": "payment_declined", "reason": "The card was declined."},
    ),
    "out of stock after the reservation had expired": (
        (*TO_PAID, "stock.rejected", "payment.refunded", "stock.released"),
        ["placed", "reserved", "paid", "cancelling", "cancelled"],
        {"cause": "out_of_stock", "reason": "Only 1 of TEA is left."},
    ),
}


@pytest.mark.parametrize(("messages", "states", "cancellation"), WAYS.values(), ids=WAYS.keys())
async def test_an_order_goes_its_way_and_tells_of_each_step(
    ada: Customer,
    database: Database,
    messages: tuple[str, ...],
    states: list[str],
    cancellation: dict[str, Any] | None,
) -> None:
    path = await ada.placed()

    await say(database, id_of(path), *messages)

    order = (await ada.http.get(path)).json()
    assert (order["status"], order["cancellation"]) == (states[-1], cancellation)
    told = await outgoing(database, id_of(path))
    assert facts(told) == [(f"order.{state}", sequence) for sequence, state in enumerate(states, start=1)]
    assert not await has_timer(database, path)


async def test_what_others_are_told_of_each_step_is_what_they_need(ada: Customer, database: Database) -> None:
    path = await ada.placed()
    await say(database, id_of(path), *TO_CONFIRMED)

    _, reserved, paid, confirmed = [event["data"] for event in await outgoing(database, id_of(path))]

    whose = {"order_id": str(id_of(path)), "customer_id": ada.name}
    assert reserved == whose | {"total": PAID["amount"], "payment_method": "card"}
    assert paid == whose
    assert confirmed == whose | {"total": PAID["amount"]}


@pytest.mark.parametrize("messages", [way[0] for way in WAYS.values()], ids=WAYS.keys())
async def test_copies_change_nothing(ada: Customer, database: Database, messages: tuple[str, ...]) -> None:
    once, twice = await ada.placed(), await ada.placed()
    await say(database, id_of(once), *messages)
    for event_type in messages:
        message = said(event_type, id_of(twice))
        assert await deliver(database, message, message) == [True, False]
        # A repeated fact has an id of its own.
        assert await deliver(database, said(event_type, id_of(twice))) == [True]

    assert await ada.told(twice) == await ada.told(once)
    assert facts(await outgoing(database, id_of(twice))) == facts(await outgoing(database, id_of(once)))
    assert await ada.status(twice) == await ada.status(once)


async def test_a_message_that_comes_too_early_or_too_late_changes_nothing(ada: Customer, database: Database) -> None:
    path = await ada.placed()
    early = ("payment.captured", "stock.committed", "stock.released", "payment.refunded")
    await say(database, id_of(path), *early)
    assert await ada.status(path) == "placed"

    await say(database, id_of(path), *TO_CONFIRMED)
    before = (await ada.http.get(path)).headers["ETag"]
    await say(database, id_of(path), *SAID)
    assert (await ada.http.get(path)).headers["ETag"] == before
    assert await ada.status(path) == "confirmed"


async def test_of_two_messages_at_the_same_time_one_is_decided_on_what_the_other_has_done(
    ada: Customer, database: Database, observer: Database
) -> None:
    path = await ada.placed()
    await say(database, id_of(path), *TO_PAID)
    async with observer.transaction() as tx:
        await tx.execute(sa.select(orders.c.id).where(orders.c.id == id_of(path)).with_for_update())
        messages = [
            asyncio.create_task(deliver(database, said(event_type, id_of(path))))
            for event_type in ("stock.committed", "stock.rejected")
        ]

        async def both_wait() -> bool:
            return await waiting(observer) == 2

        await eventually(both_wait)
    await asyncio.gather(*messages)

    told = facts(await outgoing(database, id_of(path)))
    assert told[:3] == [("order.placed", 1), ("order.reserved", 2), ("order.paid", 3)]
    assert told[3:] in ([("order.confirmed", 4)], [("order.cancelling", 4)])
    assert [f"order.{await ada.status(path)}"] == [event_type for event_type, _ in told[3:]]


async def test_the_same_fact_many_times_at_once_has_its_effect_once(ada: Customer, database: Database) -> None:
    path = await ada.placed()

    await asyncio.gather(*(deliver(database, said("stock.reserved", id_of(path))) for _ in range(10)))

    assert facts(await outgoing(database, id_of(path))) == [("order.placed", 1), ("order.reserved", 2)]


@pytest.mark.parametrize("event_type", SAID)
async def test_a_message_about_an_order_that_is_not_ours_is_noted_and_no_failure(
    database: Database, event_type: str
) -> None:
    order_id = uuid4()
    with capture_logs() as logs:
        assert await deliver(database, said(event_type, order_id)) == [True]

    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("order_unknown", "warning")]


@pytest.mark.parametrize("event_type", SAID)
async def test_a_message_that_lacks_what_is_needed_fails_and_leaves_nothing(
    database: Database, event_type: str
) -> None:
    message = said(event_type, uuid4()).model_copy(update={"data": {"surprise": 1}})

    with pytest.raises(ValidationError):
        await deliver(database, message)
    with pytest.raises(ValidationError):  # and is not taken for a copy
        await deliver(database, message)


@pytest.mark.parametrize("event_type", HANDLERS)
async def test_a_message_of_a_newer_version_fails(database: Database, event_type: str) -> None:
    newer = Event.model_validate(said("stock.committed", uuid4()).model_dump() | {"type": event_type, "version": 2})

    with pytest.raises(UnsupportedVersion):
        await deliver(database, newer)


async def test_the_words_of_others_are_cut_to_what_a_person_reads(ada: Customer, database: Database) -> None:
    path = await ada.placed()
    await deliver(database, said("stock.rejected", id_of(path), reason="x" * 100_000))

    assert (await ada.http.get(path)).json()["cancellation"]["reason"] == "x" * 500


async def test_orders_are_counted_by_what_became_of_them(ada: Customer, database: Database) -> None:
    def counted(outcome: str, cause: str = "") -> float:
        return REGISTRY.get_sample_value("orders_total", {"outcome": outcome, "cause": cause}) or 0

    def timed(outcome: str) -> float:
        return REGISTRY.get_sample_value("saga_duration_seconds_count", {"outcome": outcome}) or 0

    def figures() -> list[float]:
        return [
            counted("placed"),
            counted("confirmed"),
            counted("cancelled", "payment_declined"),
            timed("confirmed"),
            timed("cancelled"),
        ]

    before = figures()
    await say(database, id_of(await ada.placed()), *TO_CONFIRMED)
    declined = id_of(await ada.placed())
    await say(database, declined, *TO_RESERVED, "payment.declined", "stock.released")

    assert [after - earlier for after, earlier in zip(figures(), before, strict=True)] == [2, 1, 1, 1, 1]


async def has_timer(database: Database, path: str) -> bool:
    async with database.connection() as connection:
        return (await connection.execute(sa.select(sagas).where(sagas.c.order_id == id_of(path)))).first() is not None
