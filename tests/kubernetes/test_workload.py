"""What one service becomes in the cluster, object by object."""

from dataclasses import replace

import pulumi
import pytest

from infra.kubernetes.workload import Workload
from plans.planned import Plan, plan
from tests.kubernetes.parts import (
    FULL,
    IMAGE,
    LEAST,
    MIGRATION,
    ROOTS,
    TARGET_GROUP,
    names,
    planned,
    planned_in_order,
    pod_of,
    secrets,
    with_binding,
)


@pytest.fixture(scope="module")
def full() -> Plan:
    return planned(FULL)


@pytest.fixture(scope="module")
def ordered() -> Plan:
    return planned_in_order(FULL)


@pytest.mark.parametrize(
    ("drain", "grace"),
    [(30, 55), (10, 35), (0, 25)],
)
def test_a_pod_waits_for_as_long_as_somebody_may_still_send_it_requests(drain: int, grace: int) -> None:
    made = planned(with_binding(LEAST, drain_seconds=drain))
    pod = pod_of(made.one(":Deployment"))["spec"]
    [container] = pod["containers"]

    assert container.get("lifecycle") == ({"preStop": {"sleep": {"seconds": drain}}} if drain else None)
    assert pod["terminationGracePeriodSeconds"] == grace  # 20 to finish, 5 in reserve


def test_a_service_without_relational_database_mounts_no_certificates() -> None:
    pod = pod_of(planned(LEAST).one(":Deployment"))["spec"]

    assert [each["name"] for each in pod["volumes"]] == ["tmp"]
    assert [each["name"] for each in pod["containers"][0]["volumeMounts"]] == ["tmp"]


def test_the_order_of_variables_makes_no_difference() -> None:
    turned = dict(reversed(list(FULL.binding.variables.items())))

    assert planned(with_binding(FULL, variables=turned)).resources == planned(FULL).resources


def test_no_value_of_a_manifest_is_a_secret(full: Plan) -> None:
    assert secrets(full) == set()


def test_pods_of_jobs_get_no_requests_are_not_counted_and_not_budgeted(full: Plan) -> None:
    selectors = [
        full.one(":Service").inputs["spec"]["selector"],
        full.one(":Deployment").inputs["spec"]["selector"]["matchLabels"],
        full.one(":PodDisruptionBudget").inputs["spec"]["selector"]["matchLabels"],
    ]
    jobs = [pod_of(job)["metadata"]["labels"] for job in full.of_type(":Job")]
    server = pod_of(full.one(":Deployment"))["metadata"]["labels"]

    assert len(jobs) == 2
    assert [labels for labels in jobs for each in selectors if each.items() <= labels.items()] == []
    assert all(each.items() <= server.items() for each in selectors)


def test_no_service_account_hands_out_a_token_of_the_api_server(full: Plan) -> None:
    accounts = full.of_type(":ServiceAccount")

    assert [each.inputs["metadata"]["name"] for each in accounts] == ["orders", "orders-bootstrap"]
    assert [each.inputs["automountServiceAccountToken"] for each in accounts] == [False, False]


PODS_NEED = {"ConfigMap nodes", "NetworkPolicy orders-jobs"}
BOOTSTRAP_NEEDS = PODS_NEED | {"ConfigMap bootstrap-identity", "ServiceAccount orders-bootstrap"}
MIGRATION_NEEDS = BOOTSTRAP_NEEDS | {"Job orders-bootstrap", "ConfigMap identity", "ServiceAccount orders"}
DEPLOYMENT_NEEDS = MIGRATION_NEEDS | {"Job orders-migration", "NetworkPolicy orders"}
SERVED = DEPLOYMENT_NEEDS | {"Deployment orders"}


@pytest.mark.parametrize(
    ("kind", "name", "needs"),
    [
        (":ServiceAccount", "orders", set()),
        (":NetworkPolicy", "orders", set()),
        (":PodDisruptionBudget", "orders", set()),
        (":Job", "orders-bootstrap", BOOTSTRAP_NEEDS),
        (":Job", "orders-migration", MIGRATION_NEEDS),
        (":Deployment", "orders", DEPLOYMENT_NEEDS),
        (":Service", "orders", SERVED),
        (":HorizontalPodAutoscaler", "orders", SERVED),
        (":TargetGroupBinding", "orders", SERVED | {"Service orders"}),
    ],
)
def test_each_object_waits_for_exactly_what_it_needs(ordered: Plan, kind: str, name: str, needs: set[str]) -> None:
    assert names(ordered, ordered.one(kind, name)) == needs


def test_a_service_that_only_migrates_waits_for_its_migration() -> None:
    recorded = planned(with_binding(FULL, tasks=[MIGRATION]))

    assert names(recorded, recorded.one(":Deployment")) == {
        "ServiceAccount orders",
        "NetworkPolicy orders",
        "NetworkPolicy orders-jobs",
        "Job orders-migration",
    }


def test_a_service_without_jobs_waits_for_its_identity_itself() -> None:
    recorded = planned_in_order(LEAST)

    assert names(recorded, recorded.one(":Deployment")) == {
        "ConfigMap nodes",
        "ConfigMap identity",
        "ServiceAccount pricing",
        "NetworkPolicy pricing",
    }


def test_values_that_are_known_only_later_make_the_same_objects(full: Plan) -> None:
    def program() -> None:  # an output belongs to the event loop of the program that makes it
        binding = replace(
            FULL.binding,
            variables={name: pulumi.Output.from_input(value) for name, value in FULL.binding.variables.items()},
            target_group_arns=[pulumi.Output.from_input(TARGET_GROUP)],
            files=[replace(ROOTS, config_map=pulumi.Output.from_input("rds-roots"))],
        )
        later = replace(
            FULL,
            namespace=pulumi.Output.from_input("shop"),
            image=pulumi.Output.from_input(IMAGE),
            binding=binding,
        )
        Workload(later.service, later)

    assert plan(program).resources == full.resources
