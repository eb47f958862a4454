"""What goes wrong loses nothing, and meanwhile a version that does not start is being deployed."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from infra.kubernetes import labels
from tests.e2e.invariants import assert_nothing_was_lost, offer_products
from tests.e2e.load import Customer, shopping
from tests.e2e.shop import Shop, waited_for
from tests.fixtures import wait_for
from tests.integration.harness.images.images import FAILS
from tests.integration.harness.stack.environment import Environment, Pods
from tests.integration.story.observations import CUSTOMERS, NAMESPACE, READY_SECONDS, all_ready, servers

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]

PURGES = 10


@pytest.fixture(scope="module")
def failing_deployment(environment: Environment, pods: Pods) -> Iterator["Future[str]"]:
    """A version of notifications that does not start: what the engine prints. It waits for six minutes."""
    digests = environment.stack.digests
    good = digests["notifications"]
    digests["notifications"] = environment.failing_notifications
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(environment.stack.up_that_fails)
    digests["notifications"] = good


@dataclass(frozen=True)
class Drained:
    customers: Sequence[Customer]
    stock: Mapping[str, int]


@pytest.fixture(scope="module")
def drained(environment: Environment, shop: Shop) -> Drained:
    """Customers whose messages were thrown away ten times. Some of their orders wait for an answer for five minutes:
    so this is done first, and looked at last."""
    stock, sqs = offer_products(shop), environment.aws.client("sqs")
    urls = [
        url
        for url in sqs.list_queues()["QueueUrls"]
        if any(name in url for name in ("orders", "inventory", "payments")) and "dead" not in url
    ]
    assert len(urls) == 3
    with shopping(shop, list(stock), CUSTOMERS) as crowd:
        for _ in range(PURGES):
            crowd.go_on(orders=1)
            for url in urls:
                sqs.purge_queue(QueueUrl=url)
    return Drained(crowd.customers, stock)


@pytest.mark.usefixtures("failing_deployment", "drained")
def test_killed_pods_lose_nothing(environment: Environment, pods: Pods, shop: Shop) -> None:
    """Among them each relay, with what it had to send, and each consumer, with what it had received."""
    stock = offer_products(shop)

    with shopping(shop, list(stock), CUSTOMERS) as crowd:
        for pod in servers(environment):
            if pod["metadata"]["labels"][labels.NAME] != "notifications":  # it is being replaced
                crowd.go_on(orders=1)
                pods.node.kill(NAMESPACE, pod["metadata"]["name"])
        wait_for(lambda: all_ready(environment), READY_SECONDS, "the pods are back")
        crowd.go_on()

    assert_nothing_was_lost(shop, environment, crowd.customers, stock)


@pytest.mark.usefixtures("failing_deployment", "drained")
def test_a_restarted_database_loses_nothing(environment: Environment, shop: Shop) -> None:
    stock = offer_products(shop)

    with shopping(shop, list(stock), CUSTOMERS) as crowd:
        for name in ("orders", "inventory", "payments"):
            crowd.go_on()
            environment.reboot_database(name)
        crowd.go_on()

    assert_nothing_was_lost(shop, environment, crowd.customers, stock)


def test_drained_queues_lost_nothing(environment: Environment, shop: Shop, drained: Drained) -> None:
    """Everything that was under way between the services of the saga was thrown away: they asked again."""
    assert_nothing_was_lost(shop, environment, drained.customers, drained.stock)


def test_a_version_that_does_not_start_does_not_replace_the_old_one_and_up_says_why(
    environment: Environment, failing_deployment: "Future[str]", shop: Shop
) -> None:
    person = shop.newcomer()

    printed = failing_deployment.result()

    assert "notifications" in printed
    assert FAILS in printed or "CrashLoopBackOff" in printed, printed
    order = person.placed()
    assert person.ended(order["id"])["status"] == "confirmed"
    assert waited_for(
        lambda: person.told_of(order["id"]), lambda seen: len(seen) == 2, READY_SECONDS, "it still serves"
    )


@pytest.mark.usefixtures("failing_deployment")
def test_a_good_version_after_it_is_deployed(environment: Environment, pods: Pods) -> None:
    environment.stack.digests["notifications"] = pods.built["notifications"].digest

    assert environment.stack.up().names() == {"notifications"}
    wait_for(lambda: all_ready(environment), READY_SECONDS, "every pod is ready")
