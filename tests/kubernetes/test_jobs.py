"""What runs once per image before a service does."""

from dataclasses import replace
from typing import Any

import pytest

from plans.planned import Plan
from tests.kubernetes.parts import BOOTSTRAP_IMAGE, FULL, IMAGE, planned, pod_of


@pytest.fixture(scope="module")
def full() -> Plan:
    return planned(FULL)


def labels(component: str, version: str) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": "orders",
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/part-of": "shop",
        "app.kubernetes.io/managed-by": "pulumi",
        "app.kubernetes.io/version": version,
    }


@pytest.mark.parametrize(("component", "version"), [("bootstrap", "fedcba987654"), ("migration", "0123456789ab")])
def test_a_job_is_named_by_the_digest_of_its_image_and_runs_once(full: Plan, component: str, version: str) -> None:
    job = full.named(":Job", f"orders-{component}")
    spec = {key: value for key, value in job["spec"].items() if key != "template"}

    assert job["metadata"] == {
        "name": f"orders-{component}-{version}",
        "namespace": "shop",
        "labels": labels(component, version),
        "annotations": {"pulumi.com/replaceUnready": "true"},
    }
    assert spec == {  # and no ttlSecondsAfterFinished: what vanishes is made, and run, again
        "backoffLimit": 4,
        "activeDeadlineSeconds": 1800,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {
            "rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
        },
    }


@pytest.mark.parametrize(
    ("component", "image", "arguments", "account", "variables", "cpu", "memory"),
    [
        ("bootstrap", BOOTSTRAP_IMAGE, [], "orders-bootstrap", ["DATABASE_NAME"], "50m", "128Mi"),
        ("migration", IMAGE, ["migrate"], "orders", ["HOST", "PORT", "SERVICE_NAME"], "100m", "256Mi"),
    ],
)
def test_the_pod_of_a_job_is_as_locked_down_as_the_service(
    full: Plan,
    component: str,
    image: str,
    arguments: list[str],
    account: str,
    variables: list[str],
    cpu: str,
    memory: str,
) -> None:
    pod = dict(pod_of(full.one(":Job", f"orders-{component}"))["spec"])
    container = dict(pod.pop("containers")[0])
    server: dict[str, Any] = pod_of(full.one(":Deployment"))["spec"]

    assert pod == {
        "restartPolicy": "Never",
        "serviceAccountName": account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": server["securityContext"],
        "volumes": server["volumes"],
    }
    assert [each["name"] for each in container.pop("env")] == variables
    assert container == {
        "name": component,
        "image": image,
        "args": arguments,
        "resources": {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": memory}},
        "securityContext": server["containers"][0]["securityContext"],
        "volumeMounts": server["containers"][0]["volumeMounts"],
    }


def test_a_migration_has_the_environment_of_the_service(full: Plan) -> None:
    migration, server = (
        pod_of(full.one(kind, name))["spec"]["containers"][0]["env"]
        for kind, name in ((":Job", "orders-migration"), (":Deployment", "orders"))
    )

    assert migration == server


def test_a_node_with_a_job_on_it_is_not_taken_away_to_save_money(full: Plan) -> None:
    for job in full.of_type(":Job"):
        assert pod_of(job)["metadata"]["annotations"] == {"karpenter.sh/do-not-disrupt": "true"}


def test_a_new_image_runs_a_new_migration_and_touches_nothing_but_that_and_the_deployment(full: Plan) -> None:
    changed = planned(replace(FULL, image=f"registry/shop/orders@sha256:{'9' * 64}"))

    old, new = ({each.urn: each.inputs for each in recorded.resources} for recorded in (full, changed))
    assert old.keys() == new.keys()  # the logical name is stable: the engine replaces, it does not leave one behind
    assert {full.by_urn[urn].name + full.by_urn[urn].type for urn in old if old[urn] != new[urn]} == {
        "orders-migrationkubernetes:batch/v1:Job",
        "orderskubernetes:apps/v1:Deployment",
    }
    assert changed.named(":Job", "orders-migration")["metadata"]["name"] == "orders-migration-999999999999"


def test_the_longest_name_of_a_service_leaves_room_for_the_name_of_a_jobs_pod() -> None:
    name = planned(replace(FULL, service="a" * 24)).one(":Job", "a" * 24 + "-bootstrap").inputs["metadata"]["name"]

    assert len(name) + len("-xxxxx") <= 63
