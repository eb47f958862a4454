"""An environment on AWS from its first `up` to its last `destroy`: the program of the repository through the real
engine and the real providers, on an emulated AWS and a real Kubernetes API server.

The tests are one story: each begins where the one before it ended, and none runs after one that failed.
"""

import shutil

import pytest
import yaml

from infra import catalogue
from tests.fixtures import wait_for
from tests.integration.conftest import Environment
from tests.integration.processes import ROOT
from tests.integration.stack import digest
from tests.integration.story import planned

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200), pytest.mark.xdist_group("integration")]

REVIEWS = {
    "name": "reviews",
    "summary": "what people think of what they bought",
    "language": "python",
    "scopes": {"write": "Write reviews"},
    "routes": [{"method": "POST", "path": "/reviews", "scopes": ["reviews/write"]}],
    "database": {"engine": "dynamodb"},  # a queue or an instance would take minutes to be deleted
}
KNOWS_EVERY_ROUTE = {
    ("aws:apigatewayv2/stage:Stage", "stage"),  # throttles are settings of the stage, one for each route
    ("aws:cognito/userPoolClient:UserPoolClient", "people-app"),  # the scopes that it may ask for
}
SETTLE_SECONDS = 30
"""For what the controllers of the cluster do after the engine has ended."""


def test_an_empty_account_becomes_what_the_program_plans_on_mocks(environment: Environment) -> None:
    run = environment.stack.up()

    assert run.touched("create") == planned(environment.stack)
    assert set(run.operations()) == {"create"}


def test_the_api_server_admits_every_pod_and_each_migration_has_ended(environment: Environment) -> None:
    deployments = environment.cluster.items("/apis/apps/v1/namespaces/shop/deployments")
    jobs = environment.cluster.items("/apis/batch/v1/namespaces/shop/jobs")
    declared = catalogue.load(environment.stack.services)
    relational = [spec.name for spec in declared if spec.database and spec.database.relational]

    available = {each["metadata"]["name"]: each["status"].get("availableReplicas") for each in deployments}
    assert available == dict.fromkeys([*declared.services, "otel-collector"], 1)
    assert len(jobs) == 2 * len(relational)
    assert all(each["status"].get("succeeded") == 1 for each in jobs)


def test_then_nothing_is_left_to_change(environment: Environment) -> None:
    assert environment.stack.preview("--expect-no-changes").changes == []


def test_and_what_is_there_is_what_was_asked_for(environment: Environment) -> None:
    assert environment.stack.preview("--expect-no-changes", "--refresh").changes == []


def test_a_new_image_of_one_service_touches_that_service_alone(environment: Environment) -> None:
    environment.stack.digests["orders"] = digest(2)

    run = environment.stack.up()

    assert run.touched("update") == {("kubernetes:apps/v1:Deployment", "orders")}
    assert run.touched("replace") == {("kubernetes:batch/v1:Job", "orders-migration")}
    assert run.names() == {"orders", "orders-migration"}


def test_another_service_adds_its_slice_and_changes_nothing_of_the_others(environment: Environment) -> None:
    stack = environment.stack
    before = planned(stack)
    environment.remember("the whole shop")
    (stack.services / "reviews").mkdir()
    (stack.services / "reviews/service.yaml").write_text(yaml.safe_dump(REVIEWS))

    run = stack.up()

    assert run.touched("create") == planned(stack) - before
    assert all("reviews" in name for _, name in run.touched("create"))
    assert run.touched("update") == KNOWS_EVERY_ROUTE
    assert set(run.operations()) == {"create", "update"}


def test_a_removed_service_takes_its_slice_along_and_leaves_nothing(environment: Environment) -> None:
    stack = environment.stack
    before = planned(stack)
    shutil.rmtree(stack.services / "reviews")

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


def assert_as_before(environment: Environment, moment: str) -> None:
    """Account and cluster hold what they held then, once the controllers have cleaned up."""
    then = environment.moments[moment]
    assert environment.aws.inventory() == then.aws

    def settled() -> bool:
        return environment.cluster.inventory() == then.cluster

    try:
        wait_for(settled, SETTLE_SECONDS, "the cluster is as it was")
    finally:
        assert environment.cluster.inventory() == then.cluster
