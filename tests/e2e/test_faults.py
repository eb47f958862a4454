"""Every service is killed, again and again, while customers order: nothing is lost, doubled or stuck.

The order in which services die comes from a seed, which is printed. FAULTS_SEED=... takes it again; what the customers
do is the same then, too, though not when.
"""

import os
import random
import secrets
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from infra.local.supervision import answers
from tests.e2e.books import Booked, money_kept, orders_of
from tests.e2e.load import Customer
from tests.e2e.shop import Person, Shop, waited_for
from tests.e2e.system import System
from tests.fixtures import wait_for

SERVICES = ("users", "catalog", "orders", "inventory", "payments", "notifications", "pricing")
LOAD_SECONDS = 60
CUSTOMERS = 5
BETWEEN_KILLS_SECONDS = (2.0, 5.0)
ENOUGH, SCARCE = 100_000, 25
"""Pieces of what never runs out, and of what does."""
SETTLED_SECONDS = 420
"""An order that waits in vain is cancelled after 5 minutes, and its compensation takes its time."""
READY_SECONDS = 120
TOLD_SECONDS = 120

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def chance() -> random.Random:
    seed = os.environ.get("FAULTS_SEED") or secrets.token_hex(4)
    print(f"FAULTS_SEED={seed}")
    return random.Random(seed)  # noqa: S311 -- to be repeated, not to be secret


@pytest.fixture
def local(shared_system: System) -> Shop:
    return Shop(shared_system.outputs()).opened()


def seeded(chance: random.Random) -> random.Random:
    """Another source of chance, which follows from this one: threads do not share it."""
    return random.Random(chance.random())  # noqa: S311


def all_ready(system: System) -> bool:
    """Whether every service is back."""
    outputs = system.outputs()
    return all(answers(f"{url}/readyz") for name, url in outputs["services"].items() if name not in outputs["missing"])


def victims(system: System, chance: random.Random) -> Iterator[str]:
    """Every service once in a round, in an order of chance."""
    there = [name for name in SERVICES if name not in system.outputs()["missing"]]
    while True:
        yield from chance.sample(there, len(there))


def kill_until(system: System, chance: random.Random, end: float) -> Counter[str]:
    """Kills a service every few seconds; how often each of them."""
    killed: Counter[str] = Counter()
    for name in victims(system, chance):
        pause = chance.uniform(*BETWEEN_KILLS_SECONDS)
        if time.monotonic() + pause > end:
            return killed
        time.sleep(pause)
        try:
            system.processes()[name].send_signal(signal.SIGKILL)
            killed[name] += 1
        except (KeyError, psutil.NoSuchProcess):
            continue  # it has not come back from the last time yet
    raise AssertionError("victims never end")


def stuck(orders: Sequence[Booked]) -> list[tuple[str, str]]:
    return [(order.id, order.status) for order in orders if not order.ended]


def test_no_kill_loses_doubles_or_sticks_an_order(shared_system: System, local: Shop, chance: random.Random) -> None:
    skus = {local.new_product(on_hand=on_hand): on_hand for on_hand in (ENOUGH, ENOUGH, ENOUGH, SCARCE)}
    people = [local.newcomer() for _ in range(CUSTOMERS)]
    ids = {person.request("GET", "/users/me").json()["id"]: person for person in people}
    customers = [Customer(person, list(skus), seeded(chance)) for person in people]

    end = time.monotonic() + LOAD_SECONDS
    with ThreadPoolExecutor(CUSTOMERS) as pool:
        shopping = [pool.submit(customer.shop_until, end) for customer in customers]
        killed = kill_until(shared_system, chance, end)
        for each in shopping:
            each.result()
    accepted = [order for customer in customers for order in customer.accepted.values()]
    print(f"{len(accepted)} orders; killed: {dict(killed)}")
    assert len(killed) == len(SERVICES) - len(shared_system.outputs()["missing"])

    wait_for(lambda: all_ready(shared_system), READY_SECONDS, "every service is back")
    orders = waited_for(
        lambda: orders_of(shared_system, ids), lambda seen: not stuck(seen), SETTLED_SECONDS, "every order ends"
    )
    print(f"they ended: {dict(Counter(order.status for order in orders))}")

    # None is lost, and none doubled: the customers know of every order there is.
    assert sorted(order.id for order in orders) == sorted(accepted)

    # Stock is conserved: what is gone from the shelves was sold, and nothing is kept for anybody.
    sold = sum((order.quantities for order in orders if order.status == "confirmed"), Counter[str]())
    assert {sku: local.stock(sku) for sku in skus} == {sku: (on_hand - sold[sku], 0) for sku, on_hand in skus.items()}

    # Money is conserved: paid is what is confirmed, and nothing else.
    kept = money_kept(shared_system, accepted)
    owed = {order.id: order.total if order.status == "confirmed" else 0 for order in orders}
    assert {order: kept.get(order, 0) for order in owed} == owed

    for customer_id, person in ids.items():
        assert_told_once(person, customer_id, [order for order in orders if order.customer_id == customer_id])


def assert_told_once(person: Person, customer_id: str, orders: Sequence[Booked]) -> None:
    """The activity log of this person comes to have every fact, each of them once."""
    facts = Counter((kind, order.id) for order in orders for kind in ("order.placed", f"order.{order.status}"))
    facts["user.created", customer_id] = 1

    def told() -> Counter[tuple[str, str]]:
        return Counter((each["kind"], each["reference"]) for each in person.notifications())

    assert waited_for(told, lambda seen: seen.total() >= facts.total(), TOLD_SECONDS, "the log is whole") == facts
