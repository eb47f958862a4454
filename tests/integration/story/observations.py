"""What the chapters of the story look at."""

from typing import Any

from infra.kubernetes import labels
from tests.fixtures import wait_for
from tests.integration.harness.stack.environment import Environment

NAMESPACE = "shop"
CUSTOMERS = 3
READY_SECONDS = 120
SETTLE_SECONDS = 60
"""For what the controllers of the cluster do after the engine has ended."""


def servers(environment: Environment) -> list[dict[str, Any]]:
    """The pods that serve; those of the version before, which drain, are not among them."""
    pods = environment.cluster.items(
        f"/api/v1/namespaces/{NAMESPACE}/pods?labelSelector={labels.COMPONENT}={labels.SERVER}"
    )
    return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]


def all_ready(environment: Environment) -> bool:
    deployments = environment.cluster.items(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments")
    return all(each["status"].get("readyReplicas", 0) >= 1 for each in deployments)


def assert_as_before(environment: Environment, moment: str) -> None:
    """Account and cluster hold what they held then, once the controllers have cleaned up."""
    then = environment.moments[moment]
    assert environment.aws.inventory() == then.aws

    try:
        wait_for(lambda: environment.now() == then, SETTLE_SECONDS, "the cluster is as it was")
    finally:
        assert environment.now() == then
