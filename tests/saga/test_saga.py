"""An order ends well whatever happens: no order stuck, none doubled, stock and money conserved."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from inventory import tables as inventory_tables
from orders import tables as orders_tables
from payments import tables as payments_tables

from tests.fixtures import Postgres
from tests.saga.world import METHODS, SERVICES, STOCK, WORKERS, Homes, World, homes

pytestmark = pytest.mark.slow

STATEMENT = st.none() | st.integers(0, 12)
"""Where a process dies: before which of its statements, or not at all."""


@pytest.fixture(scope="module")
def databases(postgres: Postgres) -> Iterator[Homes]:
    with homes(postgres) as made:
        yield made


async def assert_all_is_well(world: World) -> None:
    orders = {row["id"]: row for row in await world.rows("orders", orders_tables.orders)}
    assert set(world.placed.values()) <= set(orders)
    keys = await world.rows("orders", orders_tables.idempotency_keys)
    assert len(keys) == len(orders), "one order for each key"

    unfinished = [
        (row["id"], row["status"])
        for row in orders.values()
        if row["status"] != "confirmed" and not (row["status"] == "cancelled" and row["settled"])
    ]
    assert unfinished == []

    sold: Counter[str] = Counter()
    for row in orders.values():
        if row["status"] == "confirmed":
            sold.update({line["sku"]: line["quantity"] for line in row["lines"]})
    for row in await world.rows("inventory", inventory_tables.stock):
        assert (row["on_hand"], row["reserved"]) == (STOCK[row["sku"]] - sold[row["sku"]], 0), row

    books = {row["reference"]: row for row in await world.rows("payments", payments_tables.provider_payments)}
    for payment in await world.rows("payments", payments_tables.payments):
        taken = books.get(payment["id"], {"captured": 0, "refunded": 0})
        order = orders[payment["order_id"]]
        due = order["total_amount"] if order["status"] == "confirmed" else 0
        assert taken["captured"] - taken["refunded"] == due, (order, payment, taken)
    paid_for = {row["order_id"] for row in await world.rows("payments", payments_tables.payments)}
    assert {id_ for id_, row in orders.items() if row["status"] == "confirmed"} <= paid_for


class Saga(RuleBasedStateMachine):
    """Random interleavings of everything that can happen."""

    homes: Homes

    @initialize(seed=st.integers(0, 10_000))
    def begin(self, seed: int) -> None:
        self.stack = ExitStack()
        self.world, self.runner = self.stack.enter_context(self.homes.world(seed))

    @rule(
        key=st.sampled_from(["a", "b", "c", "d"]),
        method=st.sampled_from(METHODS),
        lines=st.dictionaries(st.sampled_from(sorted(STOCK)), st.integers(1, 3), min_size=1),
        dies_before=STATEMENT,
    )
    def place(self, key: str, method: str, lines: dict[str, int], dies_before: int | None) -> None:
        self.wanted = getattr(self, "wanted", {})
        # A key stands for one order: whoever repeats it wants the same.
        lines, method = self.wanted.setdefault(key, (lines, method))
        self.runner.run(self.world.place(key, lines, method, dies_before))

    @precondition(lambda self: self.world.placed)
    @rule(chosen=st.data(), dies_before=STATEMENT)
    def cancel(self, chosen: st.DataObject, dies_before: int | None) -> None:
        order_id = chosen.draw(st.sampled_from(sorted(self.world.placed.values())))
        self.runner.run(self.world.cancel(order_id, dies_before))

    @rule(service=st.sampled_from(["orders", "inventory", "payments"]), dies=st.booleans())
    def publish(self, service: str, dies: bool) -> None:
        self.runner.run(self.world.publish(service, dies))

    @precondition(lambda self: self.world.underway)
    @rule(chosen=st.data(), dies_before=STATEMENT, forgets=st.booleans(), together=st.integers(1, 3))
    def deliver(self, chosen: st.DataObject, dies_before: int | None, forgets: bool, together: int) -> None:
        first = chosen.draw(st.sampled_from(self.world.underway))
        same = [each for each in self.world.underway if each.to == first.to and each is not first]
        self.runner.run(self.world.deliver([first, *same[: together - 1]], dies_before, forgets))

    @precondition(lambda self: self.world.underway)
    @rule(chosen=st.data())
    def lose(self, chosen: st.DataObject) -> None:
        self.world.lose(chosen.draw(st.sampled_from(self.world.underway)))

    @rule(dies_before=STATEMENT)
    def work(self, dies_before: int | None) -> None:
        self.runner.run(self.world.work(dies_before))

    @rule(seconds=st.sampled_from([1, 10, 61, 301, 1000]))
    def pass_time(self, seconds: int) -> None:
        self.world.pass_time(seconds)

    def teardown(self) -> None:
        if not hasattr(self, "stack"):
            return
        with self.stack:
            self.runner.run(self.world.come_to_rest())
            self.runner.run(assert_all_is_well(self.world))


@pytest.mark.timeout(300)
def test_no_order_is_stuck_or_doubled_and_stock_and_money_are_conserved_whatever_happens(databases: Homes) -> None:
    effort = settings(max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(type("Any", (Saga,), {"homes": databases}), settings=effort)


@pytest.mark.parametrize("method", METHODS)
def test_undisturbed_an_order_ends_as_its_way_to_pay_says(databases: Homes, method: str) -> None:
    with databases.world(seed=1) as (world, runner):
        runner.run(world.place("a", {"TEA": 2}, method, None))
        runner.run(world.come_to_rest())
        runner.run(assert_all_is_well(world))
        [order] = runner.run(world.rows("orders", orders_tables.orders))

    expected: dict[str, Any] = {
        "card": ("confirmed", None),
        "card-declined": ("cancelled", "payment_declined"),
        "card-flaky": ("confirmed", None),
        "card-insufficient-funds": ("cancelled", "payment_declined"),
        "card-slow": ("confirmed", None),
        "card-timeout": ("cancelled", "payment_declined"),
    }
    assert (order["status"], order["cancellation_cause"]) == expected[method]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("method", ["card", "card-declined", "card-flaky"])
def test_a_death_before_any_statement_of_any_handler_or_worker_changes_nothing_in_the_end(
    databases: Homes, method: str
) -> None:
    """On the way of one order from its request to its end each request, handler and worker dies once, and each time
    before the same statement: its first one, then its second one, and so on until none has so many."""
    for statement in count():
        with databases.world(seed=statement) as (world, runner):
            runner.run(die_once_everywhere(world, method, statement))
            deaths = world.deaths
            runner.run(world.come_to_rest())
            runner.run(assert_all_is_well(world))
            [order] = runner.run(world.rows("orders", orders_tables.orders))
            assert order["status"] == ("cancelled" if method == "card-declined" else "confirmed")
        if deaths == 0:
            break
    assert statement > 5


async def die_once_everywhere(world: World, method: str, statement: int) -> None:
    """One order, up to where nothing is left to do at this time."""
    await world.place("a", {"TEA": 1}, method, statement)
    await world.place("a", {"TEA": 1}, method, None)
    died: set[object] = set()
    busy = True
    while busy:
        before = world.deaths
        busy = False
        for service in SERVICES:
            busy |= await world.publish(service, dies=(service, "relay") not in died and statement % 3 == 0) > 0
            died.add((service, "relay"))
        for message in list(world.underway):
            busy = True
            handler = (message.to, message.event.type)
            await world.deliver([message], None if handler in died else statement, forgets=False)
            died.add(handler)
        for worker in WORKERS:
            deaths = world.deaths
            busy |= await world.work(None if worker in died else statement, [worker]) > 0
            if world.deaths > deaths:
                died.add(worker)
        busy |= world.deaths > before


def test_when_every_message_is_lost_orders_are_cancelled_in_time_and_nothing_is_kept(databases: Homes) -> None:
    with databases.world(seed=1) as (world, runner):
        runner.run(world.place("a", {"TEA": 2}, "card", None))
        runner.run(world.publish("orders"))
        for message in list(world.underway):
            world.lose(message)
        runner.run(world.come_to_rest())
        runner.run(assert_all_is_well(world))
        [order] = runner.run(world.rows("orders", orders_tables.orders))

    assert (order["status"], order["cancellation_cause"]) == ("cancelled", "timeout")
    assert world.lost == 1
