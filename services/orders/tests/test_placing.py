"""Placing an order, and what its Idempotency-Key promises."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from chassis import outbox
from chassis.database import Database
from orders import handlers
from orders.bootstrap import OrdersSettings
from orders.tables import idempotency_keys, orders
from sqlalchemy import event as sqlalchemy_event
from structlog.testing import capture_logs

from tests.fixtures import Postgres, eventually

from .customers import Customer, line, waiting


async def stored(database: Database, customer: Customer) -> list[UUID]:
    async with database.connection() as connection:
        found = await connection.scalars(sa.select(orders.c.id).where(orders.c.customer_id == customer.name))
        return list(found)


async def test_a_placed_order_is_answered_whole_and_can_be_read_at_its_location(ada: Customer) -> None:
    answer = await ada.place(line("TEA", quantity=2, amount=250), line("CUP", quantity=1, amount=900))

    assert answer.status_code == 201
    order = answer.json()
    assert UUID(order.pop("id")).version == 7
    assert order.pop("placed_at").endswith("Z")
    assert order == {
        "status": "placed",
        "lines": [line("TEA", quantity=2, amount=250), line("CUP", quantity=1, amount=900)],
        "total": {"amount": 1400, "currency": "EUR"},
        "cancellation_reason": None,
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
    one = '{"lines":[{"sku":"TEA","quantity":1,"unit_price":{"amount":250,"currency":"EUR"}}]}'
    other = '{ "lines": [ {"unit_price": {"currency": "EUR", "amount": 250}, "sku": "TEA", "quantity": 1} ] }'

    first = await ada.http.post("/orders", content=one, headers=headers)
    again = await ada.http.post("/orders", content=other, headers=headers)

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content


async def test_a_key_with_another_order_is_refused_and_the_first_order_stays(ada: Customer, database: Database) -> None:
    first = await ada.place(line(quantity=1), key="once")
    other = await ada.place(line(quantity=2), key="once")

    assert (other.status_code, other.json()["title"]) == (422, "Idempotency-Key used before")
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


async def test_a_request_whose_twin_does_not_end_is_told_to_come_back(
    ada: Customer, settings: OrdersSettings, observer: Database, postgres: Postgres
) -> None:
    # In place of the ten seconds that a statement may take.
    role = sa.make_url(settings.database_url).username
    postgres.run(f"ALTER ROLE {role} SET lock_timeout = '100ms'")
    try:
        async with observer.transaction() as tx:
            twin = {"customer_id": ada.name, "key": "once", "fingerprint": b"", "order_id": uuid4()}
            await tx.execute(idempotency_keys.insert(), twin)
            answer = await ada.place(key="once")
    finally:
        postgres.run(f"ALTER ROLE {role} RESET lock_timeout")

    assert (answer.status_code, answer.json()["title"]) == (409, "Request in progress")
    assert answer.headers["Retry-After"] == "1"


async def test_without_its_event_there_is_no_order_and_the_key_is_free_again(
    ada: Customer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> None:
        raise RuntimeError("the outbox is broken")

    with monkeypatch.context() as broken, capture_logs() as logs:
        broken.setattr(outbox, "publish", fail)
        answer = await ada.place(key="once")

    assert answer.status_code == 500
    assert "outbox" not in answer.text
    assert [entry["event"] for entry in logs] == ["request_failed", "request_handled"]
    assert await stored(database, ada) == []
    assert (await ada.place(key="once")).status_code == 201


async def test_the_event_lies_in_the_outbox_with_the_order(ada: Customer, database: Database) -> None:
    order = (await ada.place(line("TEA", quantity=2, amount=250))).json()

    async with database.connection() as connection:
        rows = await connection.execute(
            sa.select(outbox.table.c.event_type, sa.cast(outbox.table.c.body, sa.JSON)).where(
                outbox.table.c.aggregate_id == order["id"]
            )
        )
        [(event_type, event)] = rows.all()
    assert event_type == "order.placed"
    assert (event["type"], event["version"], event["source"]) == ("order.placed", 1, "orders")
    assert (event["aggregate_id"], event["sequence"]) == (order["id"], 1)
    assert event["data"] == {
        "order_id": order["id"],
        "customer_id": ada.name,
        "lines": order["lines"],
        "total": order["total"],
    }


async def test_an_order_costs_two_statements_in_one_transaction(ada: Customer) -> None:
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    await ada.place()
    sqlalchemy_event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        await ada.place()
    finally:
        sqlalchemy_event.remove(sa.Engine, "before_cursor_execute", note)

    assert len(seen) == 2, seen


async def test_a_key_is_forgotten_after_a_day_and_not_before(ada: Customer, database: Database) -> None:
    await ada.place(key="yesterday")
    await ada.place(key="today")
    async with database.transaction() as tx:
        await tx.execute(
            idempotency_keys.update()
            .where(idempotency_keys.c.customer_id == ada.name)
            .values(
                created_at=sa.func.now()
                - sa.case(
                    (idempotency_keys.c.key == "yesterday", sa.text("interval '24 hours 1 minute'")),
                    else_=sa.text("interval '23 hours 59 minutes'"),
                )
            )
        )

    await handlers.prune_keys(database)

    assert "Idempotency-Replayed" not in (await ada.place(key="yesterday")).headers
    assert (await ada.place(key="today")).headers["Idempotency-Replayed"] == "true"
