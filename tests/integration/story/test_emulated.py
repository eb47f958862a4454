"""An environment on AWS from its first `up` to its last `destroy`: the program of the repository through the real
engine and the real providers, on an emulated AWS and a real Kubernetes API server.

The tests are one story: each begins where the one before it ended, and none runs after one that failed.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra import catalogue
from infra.aws import log_groups
from infra.kubernetes import collector, labels
from tests.aws.calls import Recorded, recorded, write
from tests.e2e.load import Customer, shopping
from tests.e2e.reckoning import assert_nothing_was_lost, filled
from tests.e2e.shop import Shop, waited_for
from tests.fixtures import wait_for
from tests.integration.harness.aws import calls
from tests.integration.harness.images.collector_stand_in import RECEIVED
from tests.integration.harness.images.images import FAILS
from tests.integration.harness.machine.paths import ROOT
from tests.integration.harness.stack.environment import ANOTHER, Environment, Pods, declare_another, withdraw_another
from tests.integration.harness.stack.planned import planned
from tests.integration.harness.stack.stack import NAME

# The first one builds the images, if pods run and there are none yet.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(2400), pytest.mark.xdist_group("integration")]

KNOWS_EVERY_ROUTE = {
    ("aws:apigatewayv2/stage:Stage", "stage"),  # throttles are settings of the stage, one for each route
    ("aws:cognito/userPoolClient:UserPoolClient", "people-app"),  # the scopes that it may ask for
}
SETTLE_SECONDS = 60
"""For what the controllers of the cluster do after the engine has ended."""
NAMESPACE = "shop"
MADE_AGAIN = {
    "cluster-control-plane": log_groups.control_plane(f"shop-{NAME}"),
    "cluster-containers-application": log_groups.containers(f"shop-{NAME}", "application"),
}
"""Log groups that AWS makes again after they were destroyed: what the program calls them -> their names."""
CUSTOMERS = 3
BUSY_SECONDS = 5
"""How long customers order before something happens to them, and after it."""
READY_SECONDS = 120


@pytest.fixture(scope="module")
def shop(environment: Environment, pods: Pods) -> Shop:
    return environment.shop().opened()


@pytest.fixture(scope="module")
def vain_attempt(environment: Environment, pods: Pods) -> Iterator["Future[str]"]:
    """A version of notifications that does not start is being deployed meanwhile: the engine waits some minutes."""
    digests = environment.stack.digests
    good = digests["notifications"]
    digests["notifications"] = environment.failing_notifications
    with ThreadPoolExecutor(1) as pool:
        attempt = pool.submit(environment.stack.up_in_vain)
        yield attempt
    digests["notifications"] = good


def test_an_empty_account_becomes_what_the_program_plans_on_mocks(environment: Environment) -> None:
    """It holds nothing but log groups that AWS made again after a destroy, and these are taken over."""
    stack, logs = environment.stack, environment.aws.client("logs")
    for name in MADE_AGAIN.values():
        logs.create_log_group(logGroupName=name)

    run = stack.up()

    taken_over = {("aws:cloudwatch/logGroup:LogGroup", name) for name in MADE_AGAIN}
    assert run.touched("import") == run.touched("update") == taken_over
    assert run.touched("create") == planned(stack) - taken_over
    assert set(run.operations()) == {"create", "import", "update"}
    days = {each["logGroupName"]: each.get("retentionInDays") for each in logs.describe_log_groups()["logGroups"]}
    assert [days[name] for name in MADE_AGAIN.values()] == [7, 7]


def test_the_api_server_admits_every_pod_and_each_migration_has_ended(environment: Environment) -> None:
    deployments = environment.cluster.items("/apis/apps/v1/namespaces/shop/deployments")
    jobs = environment.cluster.items("/apis/batch/v1/namespaces/shop/jobs")
    declared = catalogue.load(environment.stack.services)
    relational = [spec.name for spec in declared if spec.database and spec.database.relational]

    available = {each["metadata"]["name"]: each["status"].get("availableReplicas") for each in deployments}
    assert available == dict.fromkeys([*declared.services, "otel-collector"], 1)
    assert len(jobs) == 2 * len(relational)
    assert all(each["status"].get("succeeded") == 1 for each in jobs)


def test_the_first_order_is_confirmed(environment: Environment, pods: Pods, shop: Shop, say: list[str]) -> None:
    person = shop.newcomer()

    assert person.ended(person.placed()["id"], READY_SECONDS)["status"] == "confirmed"

    seconds = time.monotonic() - environment.stack.runs[0].started
    say.append(f"from an empty account to the first confirmed order: {seconds:.0f} s")


def test_then_nothing_is_left_to_change(environment: Environment) -> None:
    assert environment.stack.preview("--expect-no-changes").changes == []


def test_and_what_is_there_is_what_was_asked_for(environment: Environment) -> None:
    assert environment.stack.preview("--expect-no-changes", "--refresh").changes == []


def test_the_journeys_are_those_of_every_environment(environment: Environment, pods: Pods, tmp_path: Path) -> None:
    outputs = tmp_path / "outputs.json"
    outputs.write_text(json.dumps(environment.stack.outputs()))

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/e2e/test_journey.py"],
        cwd=ROOT,
        env=os.environ | {"SHOP_OUTPUTS": str(outputs)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout.splitlines()[-1]


def test_traces_of_every_service_reach_the_collector(environment: Environment, pods: Pods) -> None:
    path = f"/api/v1/namespaces/{NAMESPACE}/services/{collector.NAME}:otlp/proxy{RECEIVED}"
    declared = set(catalogue.load(environment.stack.services).services)

    assert (
        waited_for(lambda: set(environment.cluster.get(path)), lambda seen: seen >= declared, 60, "traces") >= declared
    )


def test_a_pod_holds_what_its_service_needs_and_no_more(environment: Environment, pods: Pods, say: list[str]) -> None:
    """Nobody is near the limit: a service that takes more than it asked for is ended."""
    for pod in servers(environment):
        name = pod["metadata"]["labels"][labels.NAME]
        used = pods.node.memory(NAMESPACE, pod["metadata"]["name"])
        limit = int(pod["spec"]["containers"][0]["resources"]["limits"]["memory"].removesuffix("Mi"))
        say.append(f"memory of the pod of {name:<20} {used:5.0f} MiB of {limit}")
        assert used < 0.9 * limit, name


def test_a_new_image_of_one_service_touches_that_service_alone_and_loses_no_request(environment: Environment) -> None:
    environment.stack.digests["orders"] = environment.second_orders

    with demanding_customers(environment):
        run = environment.stack.up()

    assert run.touched("update") == {("kubernetes:apps/v1:Deployment", "orders")}
    assert run.touched("replace") == {("kubernetes:batch/v1:Job", "orders-migration")}
    assert run.names() == {"orders", "orders-migration"}


@pytest.mark.usefixtures("vain_attempt")
def test_killed_pods_lose_nothing(environment: Environment, pods: Pods, shop: Shop) -> None:
    """Among them each relay, with what it had to send, and each consumer, with what it had received."""
    shelves = filled(shop)

    with shopping(shop, list(shelves), CUSTOMERS) as customers:
        for pod in servers(environment):
            if pod["metadata"]["labels"][labels.NAME] != "notifications":  # it has enough to bear
                time.sleep(1)
                pods.node.kill(NAMESPACE, pod["metadata"]["name"])
        wait_for(lambda: all_ready(environment), READY_SECONDS, "the pods are back")
        time.sleep(BUSY_SECONDS)

    assert_nothing_was_lost(shop, environment, customers, shelves)


@pytest.mark.usefixtures("vain_attempt")
def test_a_restarted_database_loses_nothing(environment: Environment, shop: Shop) -> None:
    shelves = filled(shop)

    with shopping(shop, list(shelves), CUSTOMERS) as customers:
        for name in ("orders", "inventory", "payments"):
            time.sleep(BUSY_SECONDS)
            environment.reboot_database(name)
        time.sleep(2 * BUSY_SECONDS)

    assert_nothing_was_lost(shop, environment, customers, shelves)


@pytest.mark.usefixtures("vain_attempt")
def test_drained_queues_lose_nothing(environment: Environment, shop: Shop) -> None:
    """Everything that is under way between the services of the saga is thrown away: they ask again."""
    shelves, sqs = filled(shop), environment.aws.client("sqs")
    urls = [
        url
        for url in sqs.list_queues()["QueueUrls"]
        if any(name in url for name in ("orders", "inventory", "payments")) and "dead" not in url
    ]
    assert len(urls) == 3

    with shopping(shop, list(shelves), CUSTOMERS) as customers:
        for _ in range(10):
            time.sleep(1)
            for url in urls:
                sqs.purge_queue(QueueUrl=url)

    assert_nothing_was_lost(shop, environment, customers, shelves)


def test_a_version_that_does_not_start_does_not_replace_the_old_one_and_up_says_why(
    environment: Environment, vain_attempt: "Future[str]", shop: Shop
) -> None:
    person = shop.newcomer()

    printed = vain_attempt.result()

    assert "notifications" in printed
    assert FAILS in printed or "CrashLoopBackOff" in printed, printed
    order = person.placed()
    assert person.ended(order["id"])["status"] == "confirmed"
    assert waited_for(
        lambda: person.told_of(order["id"]), lambda seen: len(seen) == 2, READY_SECONDS, "it still serves"
    )


@pytest.mark.usefixtures("vain_attempt")
def test_a_good_version_mends_it(environment: Environment, pods: Pods) -> None:
    environment.stack.digests["notifications"] = pods.built["notifications"].digest

    assert environment.stack.up().names() == {"notifications"}
    wait_for(lambda: all_ready(environment), READY_SECONDS, "every pod is ready")


def test_another_service_adds_its_slice_and_changes_nothing_of_the_others(environment: Environment) -> None:
    stack = environment.stack
    before = planned(stack)
    environment.remember("the whole shop")
    declare_another(stack.services)

    run = stack.up()

    assert run.touched("create") == planned(stack) - before
    assert all(ANOTHER in name for _, name in run.touched("create"))
    assert run.touched("update") == KNOWS_EVERY_ROUTE
    assert set(run.operations()) == {"create", "update"}


def test_people_reach_the_other_service_with_a_token_that_says_so(environment: Environment, pods: Pods) -> None:
    person = environment.shop().newcomer()  # the outputs of now: its scopes are among them

    answer = person.request("GET", f"/{ANOTHER}/Ada")

    assert (answer.status_code, httpx.get(str(answer.url)).status_code) == (200, 401), answer.text


def test_a_removed_service_takes_its_slice_along_and_leaves_nothing(environment: Environment) -> None:
    stack = environment.stack
    before = planned(stack)
    withdraw_another(stack.services)

    run = stack.up()

    assert run.touched("delete") == before - planned(stack)
    assert run.touched("update") == KNOWS_EVERY_ROUTE
    assert set(run.operations()) == {"delete", "update"}
    assert_as_before(environment, "the whole shop")


def test_destroy_leaves_nothing_in_the_account_nor_in_the_cluster(environment: Environment) -> None:
    run = environment.stack.destroy()

    assert set(run.operations()) == {"delete"}
    assert environment.stack.resources() == []
    assert_as_before(environment, "nothing")


def test_a_preview_of_it_all_passes_the_policy_pack(environment: Environment) -> None:
    """From nothing, when most values are not known yet: as a pull request sees a new environment."""
    run = environment.stack.preview("--policy-pack", str(ROOT / "infra/policies"))

    assert run.touched("create") == planned(environment.stack)


def test_every_call_of_the_provider_is_one_that_the_roles_are_held_against(environment: Environment) -> None:
    """SHOP_RECORD=1 writes the list anew: what roles may do follows from it (tests/aws/test_calls.py)."""
    made, services = calls.made(environment.aws.folder), environment.stack.services
    declare_another(services)
    types = frozenset(kind for kind, _ in planned(environment.stack) if kind.startswith("aws:"))
    withdraw_another(services)
    if os.environ.get("SHOP_RECORD"):
        write(Recorded(types=types, calls=made))

    assert calls.beyond(recorded().calls, made) == {}
    assert types <= recorded().types


def assert_as_before(environment: Environment, moment: str) -> None:
    """Account and cluster hold what they held then, once the controllers have cleaned up."""
    then = environment.moments[moment]
    assert environment.aws.inventory() == then.aws

    try:
        wait_for(lambda: environment.now() == then, SETTLE_SECONDS, "the cluster is as it was")
    finally:
        assert environment.now() == then


@contextmanager
def demanding_customers(environment: Environment) -> Iterator[list[Customer]]:
    """Where pods run: customers whose every request has to be answered, and after whom the books have to be right."""
    if environment.pods is None:
        yield []
        return
    shop = environment.shop()
    shelves = filled(shop)
    with shopping(shop, list(shelves), CUSTOMERS, patient=False) as customers:
        time.sleep(BUSY_SECONDS)
        yield customers
        time.sleep(BUSY_SECONDS)
    assert all(customer.accepted for customer in customers)
    assert_nothing_was_lost(shop, environment, customers, shelves)


def servers(environment: Environment) -> list[dict[str, Any]]:
    """The pods that serve; those of the version before, which drain, are not among them."""
    pods = environment.cluster.items(
        f"/api/v1/namespaces/{NAMESPACE}/pods?labelSelector={labels.COMPONENT}={labels.SERVER}"
    )
    return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]


def all_ready(environment: Environment) -> bool:
    deployments = environment.cluster.items(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments")
    return all(each["status"].get("readyReplicas", 0) >= 1 for each in deployments)
