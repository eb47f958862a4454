"""Placing an order, and what its Idempotency-Key promises."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from chassis.database import Database
from orders import placing, products
from orders.domain.basket import NewOrder, OrderRefused, Quote
from orders.quotes import QuoteUnavailable
from orders.tables import events, idempotency_keys, orders, sagas
from prometheus_client import REGISTRY
from sqlalchemy import event as sqlalchemy_event
from structlog.testing import capture_logs

from tests.fixtures import eventually

from .customers import Customer, id_of, line, waiting
from .others import Promotions, deliver, outgoing, product


def euros(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": "EUR"}


def fallbacks(reason: str) -> float:
    return REGISTRY.get_sample_value("prices_fallback_total", {"reason": reason}) or 0


@contextmanager
def listening(target: Any, event: str, listener: Callable[..., None]) -> Iterator[None]:
    sqlalchemy_event.listen(target, event, listener)
    try:
        yield
    finally:
        sqlalchemy_event.remove(target, event, listener)


async def stored(database: Database, customer: Customer) -> list[UUID]:
    async with database.connection() as connection:
        found = await connection.scalars(sa.select(orders.c.id).where(orders.c.customer_id == customer.name))
        return list(found)


async def test_a_placed_order_is_answered_whole_and_can_be_read_at_its_location(ada: Customer) -> None:
    answer = await ada.place(line("TEA", quantity=2), line("CUP", quantity=1), payment_method="invoice")

    assert answer.status_code == 201
    order = answer.json()
    assert UUID(order.pop("id")).version == 7
    assert order.pop("placed_at").endswith("Z")
    assert order == {
        "status": "placed",
        "lines": [
            {"sku": "TEA", "name": "Green tea", "quantity": 2, "unit_price": euros(250)},
            {"sku": "CUP", "name": "Cup", "quantity": 1, "unit_price": euros(900)},
        ],
        "discounts": [],
        "total": euros(1400),
        "priced_by": "promotions",
        "payment_method": "invoice",
        "cancellation": None,
    }
    assert "Idempotency-Replayed" not in answer.headers
    assert (await ada.http.get(answer.headers["Location"])).json() == answer.json()


async def test_the_same_request_again_answers_the_same_and_places_nothing(ada: Customer, database: Database) -> None:
    first = await ada.place(line(quantity=3), key="once")
    again = await ada.place(line(quantity=3), key="once")

    assert (again.status_code, again.headers["Location"]) == (201, first.headers["Location"])
    assert again.content == first.content
    assert again.headers["Idempotency-Replayed"] == "true"
    assert await stored(database, ada) == [UUID(first.json()["id"])]


async def test_the_same_request_again_answers_the_same_even_after_the_order_was_cancelled(ada: Customer) -> None:
    first = await ada.place(key="once")
    await ada.cancel(first.headers["Location"], "changed my mind")

    assert (await ada.place(key="once")).content == first.content


async def test_the_same_json_written_otherwise_is_the_same_request(ada: Customer) -> None:
    headers = {"Idempotency-Key": "once", "Content-Type": "application/json"}
    one = '{"lines":[{"sku":"TEA","quantity":1}]}'
    other = '{ "payment_method": "card", "lines": [ {"quantity": 1, "sku": "TEA"} ], "coupons": [] }'

    first = await ada.http.post("/orders", content=one, headers=headers)
    again = await ada.http.post("/orders", content=other, headers=headers)

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content


@pytest.mark.parametrize("other", [{"lines": [line(quantity=2)]}, {"payment_method": "invoice"}, {"coupons": ["TEN"]}])
async def test_a_key_with_another_order_is_refused_and_the_first_order_stays(
    ada: Customer, database: Database, other: dict[str, Any]
) -> None:
    first = await ada.place(line(quantity=1), key="once")
    again = await ada.place(line(quantity=1), key="once", **other)

    assert (again.status_code, again.json()["title"]) == (422, "Idempotency-Key used before")
    assert await stored(database, ada) == [UUID(first.json()["id"])]


async def test_two_customers_may_use_the_same_key(ada: Customer, bob: Customer) -> None:
    adas, bobs = await ada.place(key="once"), await bob.place(key="once")

    assert (adas.status_code, bobs.status_code) == (201, 201)
    assert adas.json()["id"] != bobs.json()["id"]
    assert "Idempotency-Replayed" not in bobs.headers


async def test_twenty_simultaneous_requests_with_one_key_place_one_order(
    ada: Customer, database: Database, observer: Database
) -> None:
    async def all_connections_wait() -> bool:
        return await waiting(observer) == database.pool_size

    async with observer.transaction() as tx:
        await tx.execute(sa.text("LOCK TABLE idempotency_keys IN EXCLUSIVE MODE"))
        placing = [asyncio.create_task(ada.place(key="once")) for _ in range(20)]
        await eventually(all_connections_wait)
    answers = await asyncio.gather(*placing)

    assert [answer.status_code for answer in answers] == [201] * 20
    assert len({answer.content for answer in answers}) == 1
    assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1
    assert await stored(database, ada) == [UUID(answers[0].json()["id"])]


async def test_a_refused_order_does_not_use_up_its_key(ada: Customer) -> None:
    refused = await ada.place(line("TEA"), line("TEA"), key="once")
    corrected = await ada.place(line("TEA", quantity=2), key="once")

    assert (refused.status_code, corrected.status_code) == (422, 201)


@pytest.mark.parametrize("lock_seconds", [0.1])
async def test_a_request_whose_twin_does_not_end_is_told_to_come_back(ada: Customer, observer: Database) -> None:
    async with observer.transaction() as tx:
        twin = {"customer_id": ada.name, "key": "once", "fingerprint": b"", "order_id": uuid4()}
        await tx.execute(idempotency_keys.insert(), twin | {"created_at": datetime.now(UTC)})
        answer = await ada.place(key="once")

    assert (answer.status_code, answer.json()["title"]) == (409, "Request in progress")
    assert answer.headers["Retry-After"] == "1"


async def test_without_its_event_there_is_no_order_and_the_key_is_free_again(ada: Customer, database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute(sa.text("ALTER TABLE outbox ADD CONSTRAINT broken CHECK (position = 0) NOT VALID"))
    try:
        with capture_logs() as logs:
            answer = await ada.place(key="once")
    finally:
        async with database.transaction() as tx:
            await tx.execute(sa.text("ALTER TABLE outbox DROP CONSTRAINT broken"))

    assert answer.status_code == 500
    assert "outbox" not in answer.text
    assert [entry["event"] for entry in logs] == ["request_failed", "request_handled"]
    assert await stored(database, ada) == []
    async with database.connection() as connection:
        of_ada = events.c.data["customer_id"].astext == ada.name
        assert (await connection.execute(sa.select(events).where(of_ada))).all() == []
    assert (await ada.place(key="once")).status_code == 201


async def test_the_event_lies_in_the_outbox_with_the_order(ada: Customer, database: Database) -> None:
    order = (await ada.place(line("TEA", quantity=2), payment_method="invoice")).json()

    [event] = await outgoing(database, UUID(order["id"]))
    assert (event["type"], event["version"], event["source"]) == ("order.placed", 1, "orders")
    assert (event["aggregate_id"], event["sequence"]) == (order["id"], 1)
    assert event["data"] == {
        "order_id": order["id"],
        "customer_id": ada.name,
        "lines": [{"sku": "TEA", "quantity": 2, "unit_price": euros(250)}],
        "discounts": [],
        "priced_by": "promotions",
        "total": euros(500),
        "payment_method": "invoice",
    }


async def test_promotions_are_asked_with_the_coupons_and_their_discounts_are_the_orders(
    ada: Customer, database: Database, promotions: Promotions
) -> None:
    promotions.answer = Quote(
        list_total=(500, "EUR"), discounts=[("ten", "Ten percent", (50, "EUR"))], total=(450, "EUR")
    )
    order = (await ada.place(line("TEA", quantity=2), coupons=["TEN"])).json()

    assert promotions.asked == [([("TEA", 2)], ["TEN"])]
    discount = {"promotion": "ten", "label": "Ten percent", "amount": euros(50)}
    assert (order["discounts"], order["total"], order["priced_by"]) == ([discount], euros(450), "promotions")
    [event] = await outgoing(database, UUID(order["id"]))
    assert (event["data"]["discounts"], event["data"]["total"]) == ([discount], euros(450))
    assert (await ada.http.get(f"/orders/{order['id']}")).json() == order


async def test_without_the_promotions_an_order_is_at_list_prices_and_says_so(
    ada: Customer, promotions: Promotions
) -> None:
    before = fallbacks("unavailable")
    promotions.answer = QuoteUnavailable("no answer")
    order = (await ada.place(line("TEA", quantity=2))).json()

    assert (order["total"], order["priced_by"], order["discounts"]) == (euros(500), "list", [])
    assert fallbacks("unavailable") == before + 1


async def test_a_quote_that_does_not_add_up_is_not_believed_and_is_an_error_in_the_log(
    ada: Customer, promotions: Promotions
) -> None:
    before = fallbacks("untrusted")
    promotions.answer = Quote(list_total=(500, "EUR"), discounts=[], total=(5, "EUR"))
    with capture_logs() as logs:
        order = (await ada.place(line("TEA", quantity=2))).json()

    assert (order["total"], order["priced_by"]) == (euros(500), "list")
    assert [entry["log_level"] for entry in logs if entry["event"] == "quote_untrusted"] == ["error"]
    assert fallbacks("untrusted") == before + 1


async def test_a_key_answers_the_same_although_the_product_is_no_longer_sold(ada: Customer, database: Database) -> None:
    await deliver(database, product("BREAD", "Bread"))
    first = await ada.place(line("BREAD"), key="once")
    await deliver(database, product("BREAD", "Bread", active=False, version=2))
    unheard_of = placing.OrderPlacement(database, Promotions())  # whose cache is empty

    wanted = NewOrder.model_validate({"lines": [line("BREAD")]})
    order, replayed = await unheard_of.place(customer_id=ada.name, wanted=wanted, key="once")
    assert (str(order.id), replayed) == (first.json()["id"], True)
    with pytest.raises(OrderRefused):
        await unheard_of.place(customer_id=ada.name, wanted=wanted, key="twice")
    more = NewOrder.model_validate({"lines": [line("BREAD", quantity=2)]})
    with pytest.raises(placing.KeyReused):
        await unheard_of.place(customer_id=ada.name, wanted=more, key="once")


async def test_a_key_answers_the_same_although_the_price_has_changed(ada: Customer, promotions: Promotions) -> None:
    first = await ada.place(key="once")
    promotions.answer = Quote(list_total=(250, "EUR"), discounts=[("gift", "A gift", (250, "EUR"))], total=(0, "EUR"))

    assert (await ada.place(key="once")).content == first.content


async def test_a_new_order_has_a_timer(ada: Customer, database: Database) -> None:
    order_id = id_of(await ada.placed())

    async with database.connection() as connection:
        found = (await connection.execute(sa.select(sagas).where(sagas.c.order_id == order_id))).one()
        placed_at = await connection.scalar(sa.select(orders.c.placed_at).where(orders.c.id == order_id))
    assert isinstance(placed_at, datetime)
    assert (found.version, found.attempt, found.deadline) == (1, 1, placed_at + timedelta(minutes=5))


async def test_an_order_is_one_round_trip_to_the_database(ada: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "FRESH_SECONDS", 3600.0)  # looked up by the first order, and by no other
    seen: list[str] = []

    def executed(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    def taken(connection: Any, *_: Any) -> None:
        """The driver sends BEGIN and COMMIT by itself."""
        connection.driver_connection.add_query_logger(lambda logged: seen.append(logged.query))

    await ada.place()
    with listening(sa.Engine, "before_cursor_execute", executed), listening(sa.Pool, "checkout", taken):
        await ada.place()

    assert len(seen) == 1, seen


async def test_who_publishes_is_told_of_an_order_and_not_of_a_repetition(ada: Customer, database: Database) -> None:
    told = []
    for key in ("once", "once"):
        database.outbox_signal.clear()
        await ada.place(key=key)
        told.append(database.outbox_signal.is_set())

    assert told == [True, False]


async def test_a_key_is_forgotten_after_a_day_and_not_before(ada: Customer, database: Database) -> None:
    before = datetime.now(UTC)
    await ada.place(key="once")
    day = timedelta(hours=24)

    await placing.prune_keys(database, before + day)
    assert (await ada.place(key="once")).headers["Idempotency-Replayed"] == "true"

    await placing.prune_keys(database, datetime.now(UTC) + day)
    assert "Idempotency-Replayed" not in (await ada.place(key="once")).headers
