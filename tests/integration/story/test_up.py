"""An empty account becomes the whole shop."""

import time

import pytest

from infra.aws import log_groups
from infra.service import catalogue
from tests.e2e.shop import Shop
from tests.integration.harness.stack.environment import Environment, Pods
from tests.integration.harness.stack.planned import planned
from tests.integration.harness.stack.stack import NAME
from tests.integration.story.observations import READY_SECONDS

# The first one builds the images, if pods run and there are none yet.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(2400)]

MADE_AGAIN = {
    "cluster-control-plane": log_groups.control_plane(f"shop-{NAME}"),
    "cluster-containers-application": log_groups.containers(f"shop-{NAME}", "application"),
}
"""Log groups that AWS makes again after they were destroyed: what the program calls them -> their names."""


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
    relational = [spec.name for spec in declared if spec.relational_engine]

    available = {each["metadata"]["name"]: each["status"].get("availableReplicas") for each in deployments}
    assert available == dict.fromkeys([*declared.services, "otel-collector"], 1)
    assert len(jobs) == 2 * len(relational)
    assert all(each["status"].get("succeeded") == 1 for each in jobs)


def test_the_first_order_is_confirmed(environment: Environment, pods: Pods, shop: Shop, figures: list[str]) -> None:
    person = shop.newcomer()

    assert person.ended(person.placed()["id"], READY_SECONDS)["status"] == "confirmed"

    seconds = time.monotonic() - environment.stack.runs[0].started
    figures.append(f"from an empty account to the first confirmed order: {seconds:.0f} s")


def test_then_nothing_is_left_to_change_of_what_is_there(environment: Environment) -> None:
    """Of a state that was just read anew: what AWS answers is what was asked for, and what the program asks for."""
    assert environment.stack.preview("--expect-no-changes", "--refresh").changes == []
