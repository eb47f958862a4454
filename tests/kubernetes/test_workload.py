"""What one service becomes in the cluster, object by object."""

from dataclasses import replace
from typing import Any

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

SELECTOR = {"app.kubernetes.io/name": "orders", "app.kubernetes.io/component": "server"}
LABELS = SELECTOR | {"app.kubernetes.io/part-of": "shop", "app.kubernetes.io/managed-by": "pulumi"}
VERSIONED = LABELS | {"app.kubernetes.io/version": "0123456789ab"}
METADATA = {"name": "orders", "namespace": "shop", "labels": LABELS}


@pytest.fixture(scope="module")
def full() -> Plan:
    return planned(FULL)


@pytest.fixture(scope="module")
def ordered() -> Plan:
    return planned_in_order(FULL)


def kinds(recorded: Plan) -> set[tuple[str, str]]:
    return {(each.type.rpartition(":")[2], each.name) for each in recorded.resources}


def probe(path: str, period: int, failures: int) -> dict[str, Any]:
    get = {"path": path, "port": "http", "scheme": "HTTP"}
    return {
        "httpGet": get,
        "periodSeconds": period,
        "timeoutSeconds": 2,
        "successThreshold": 1,
        "failureThreshold": failures,
    }


def test_a_service_with_everything_has_these_objects_and_no_other(full: Plan) -> None:
    assert kinds(full) == {
        ("Workload", "orders"),
        ("ServiceAccount", "orders"),
        ("ServiceAccount", "orders-bootstrap"),
        ("NetworkPolicy", "orders"),
        ("NetworkPolicy", "orders-jobs"),
        ("Job", "orders-bootstrap"),
        ("Job", "orders-migration"),
        ("Deployment", "orders"),
        ("Service", "orders"),
        ("HorizontalPodAutoscaler", "orders"),
        ("PodDisruptionBudget", "orders"),
        ("TargetGroupBinding", "orders"),
    }


def test_a_service_without_database_and_routes_has_no_jobs_and_is_not_registered() -> None:
    assert kinds(planned(LEAST)) == {
        ("Workload", "pricing"),
        ("ServiceAccount", "pricing"),
        ("NetworkPolicy", "pricing"),
        ("Deployment", "pricing"),
        ("Service", "pricing"),
        ("HorizontalPodAutoscaler", "pricing"),
        ("PodDisruptionBudget", "pricing"),
    }


def test_the_deployment_replaces_pods_without_ever_having_one_less(full: Plan) -> None:
    inputs = full.named(":Deployment", "orders")
    spec = {key: value for key, value in inputs["spec"].items() if key != "template"}

    assert inputs["metadata"] == METADATA | {"labels": VERSIONED}
    assert spec == {  # and no `replicas`: they belong to the autoscaler
        "selector": {"matchLabels": SELECTOR},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}},
        "minReadySeconds": 5,
        "revisionHistoryLimit": 3,
        "progressDeadlineSeconds": 300,
    }


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


def test_the_pod_is_locked_down_spread_and_given_time_to_drain(full: Plan) -> None:
    template = pod_of(full.one(":Deployment"))
    pod = {key: value for key, value in template["spec"].items() if key != "containers"}

    assert template["metadata"] == {"labels": VERSIONED}
    assert pod == {
        "serviceAccountName": "orders",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": 55,  # 30 to drain, 20 to finish, 5 in reserve
        "topologySpreadConstraints": [
            {
                "topologyKey": key,
                "maxSkew": 1,
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": SELECTOR},
                "matchLabelKeys": ["pod-template-hash"],
            }
            for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
        ],
        "volumes": [
            {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
            {"name": "rds-roots", "configMap": {"name": "rds-roots"}},
        ],
    }


def test_the_container_is_limited_probed_and_cannot_write_but_to_tmp(full: Plan) -> None:
    assert pod_of(full.one(":Deployment"))["spec"]["containers"] == [
        {
            "name": "orders",
            "image": IMAGE,
            "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
            "env": [
                {"name": "HOST", "value": "0.0.0.0"},  # noqa: S104
                {"name": "PORT", "value": "8080"},
                {"name": "SERVICE_NAME", "value": "orders"},
            ],
            "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "256Mi"}},
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "privileged": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
            "volumeMounts": [
                {"name": "tmp", "mountPath": "/tmp", "readOnly": False},  # noqa: S108
                {"name": "rds-roots", "mountPath": "/etc/rds", "readOnly": True},
            ],
            "startupProbe": probe("/livez", 2, 30),
            "livenessProbe": probe("/livez", 10, 3),
            "readinessProbe": probe("/readyz", 5, 2),
            "lifecycle": {"preStop": {"sleep": {"seconds": 30}}},
        }
    ]


def test_a_service_without_relational_database_mounts_no_certificates() -> None:
    pod = pod_of(planned(LEAST).one(":Deployment"))["spec"]

    assert [each["name"] for each in pod["volumes"]] == ["tmp"]
    assert [each["name"] for each in pod["containers"][0]["volumeMounts"]] == ["tmp"]


def test_the_order_of_variables_makes_no_difference() -> None:
    turned = dict(reversed(list(FULL.binding.variables.items())))

    assert planned(with_binding(FULL, variables=turned)).resources == planned(FULL).resources


def test_no_value_of_a_manifest_is_a_secret(full: Plan) -> None:
    assert secrets(full) == set()


def test_the_service_answers_on_port_80_by_pods_that_serve(full: Plan) -> None:
    inputs = full.named(":Service", "orders")

    assert inputs["metadata"] == METADATA
    assert inputs["spec"] == {
        "type": "ClusterIP",
        "selector": SELECTOR,
        "ports": [{"name": "http", "port": 8080, "targetPort": "http", "protocol": "TCP", "appProtocol": "http"}],
    }


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


def test_the_autoscaler_keeps_to_the_declaration_and_shrinks_slowly(full: Plan) -> None:
    assert full.named(":HorizontalPodAutoscaler", "orders")["spec"] == {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "orders"},
        "minReplicas": 2,
        "maxReplicas": 10,
        "metrics": [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}},
            }
        ],
        "behavior": {
            "scaleUp": {
                "stabilizationWindowSeconds": 0,
                "selectPolicy": "Max",
                "policies": [
                    {"type": "Percent", "value": 100, "periodSeconds": 30},
                    {"type": "Pods", "value": 2, "periodSeconds": 30},
                ],
            },
            "scaleDown": {
                "stabilizationWindowSeconds": 300,
                "selectPolicy": "Max",
                "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
            },
        },
    }


def test_one_pod_at_a_time_may_be_evicted_and_a_broken_one_always(full: Plan) -> None:
    assert full.named(":PodDisruptionBudget", "orders")["spec"] == {
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchLabels": SELECTOR},
    }


def test_pods_are_registered_with_the_target_group_and_open_no_security_group(full: Plan) -> None:
    inputs = full.named(":TargetGroupBinding", "orders")

    assert inputs["apiVersion"] == "eks.amazonaws.com/v1"
    assert inputs["metadata"] == METADATA
    assert inputs["spec"] == {  # and no `networking`
        "serviceRef": {"name": "orders", "port": 8080},
        "targetGroupARN": TARGET_GROUP,
        "targetType": "ip",
    }


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
