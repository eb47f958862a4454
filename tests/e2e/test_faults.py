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
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from infra.local.readiness import answer
from tests.e2e.load import Customer
from tests.e2e.reckoning import assert_nothing_was_lost, filled
from tests.e2e.shop import Shop
from tests.e2e.system import System
from tests.fixtures import wait_for

SERVICES = ("users", "catalog", "orders", "inventory", "payments", "notifications", "pricing")
LOAD_SECONDS = 60
CUSTOMERS = 5
BETWEEN_KILLS_SECONDS = (2.0, 5.0)
READY_SECONDS = 120

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
    return all(
        answer(f"{url}/readyz") is None for name, url in outputs["services"].items() if name not in outputs["missing"]
    )


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


def test_no_kill_loses_doubles_or_sticks_an_order(shared_system: System, local: Shop, chance: random.Random) -> None:
    shelves = filled(local)
    customers = [Customer(local.newcomer(), list(shelves), seeded(chance)) for _ in range(CUSTOMERS)]

    end = time.monotonic() + LOAD_SECONDS
    with ThreadPoolExecutor(CUSTOMERS) as pool:
        shopping = [pool.submit(customer.shop_until, end) for customer in customers]
        killed = kill_until(shared_system, chance, end)
        for each in shopping:
            each.result()
    print(f"{sum(len(customer.accepted) for customer in customers)} orders; killed: {dict(killed)}")
    assert len(killed) == len(SERVICES) - len(shared_system.outputs()["missing"])

    wait_for(lambda: all_ready(shared_system), READY_SECONDS, "every service is back")
    orders = assert_nothing_was_lost(local, shared_system, customers, shelves)
    print(f"they ended: {dict(Counter(order.status for order in orders))}")
