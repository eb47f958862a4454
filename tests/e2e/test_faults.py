"""Every service is killed, again and again, while customers order: nothing is lost, doubled or stuck.

The order in which services die comes from a seed, which is printed. FAULTS_SEED=... takes it again; what the customers
do is the same then, too, though not when.
"""

import os
import random
import secrets
import signal
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import psutil
import pytest

from infra.local.readiness import answer
from tests.e2e.invariants import assert_nothing_was_lost, offer_products
from tests.e2e.load import Crowd, shopping
from tests.e2e.shop import Shop
from tests.e2e.system import System
from tests.fixtures import wait_for

SERVICES = ("users", "catalog", "orders", "inventory", "payments", "notifications", "pricing")
CUSTOMERS = 5
ROUNDS = 2
"""How often each service is killed."""
BETWEEN_KILLS = (1, 3)
"""Orders of each customer, at least and at most: often the last one that was killed is not back yet."""
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


def all_ready(outputs: Mapping[str, Any]) -> bool:
    """Whether every service is back."""
    return all(
        answer(f"{url}/readyz") is None for name, url in outputs["services"].items() if name not in outputs["missing"]
    )


def kill_all(system: System, services: Sequence[str], crowd: Crowd, chance: random.Random) -> None:
    """Kills every service in an order of chance, ROUNDS times, each in the middle of orders."""
    for _ in range(ROUNDS):
        for name in chance.sample(services, len(services)):
            crowd.go_on(orders=chance.randint(*BETWEEN_KILLS))
            wait_for(lambda name=name: kill(system, name), READY_SECONDS, f"{name} runs again")  # type: ignore[misc]


def kill(system: System, name: str) -> bool:
    """Whether it ran."""
    try:
        system.processes()[name].send_signal(signal.SIGKILL)
    except (KeyError, psutil.NoSuchProcess):  # it has not come back from the last time yet
        return False
    return True


def test_no_kill_loses_doubles_or_sticks_an_order(shared_system: System, local: Shop, chance: random.Random) -> None:
    stock = offer_products(local)
    services = [name for name in SERVICES if name not in local.outputs["missing"]]

    with shopping(local, list(stock), CUSTOMERS, chance=chance) as crowd:
        kill_all(shared_system, services, crowd, chance)
        crowd.go_on()

    wait_for(lambda: all_ready(local.outputs), READY_SECONDS, "every service is back")
    orders = assert_nothing_was_lost(local, shared_system, crowd.customers, stock)
    print(f"{len(orders)} orders, which ended: {dict(Counter(order.status for order in orders))}")
