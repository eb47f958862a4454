"""What all services stand on inside the cluster."""

from dataclasses import replace

import pytest

from infra.kubernetes.platform import Platform, PlatformArgs
from plans.planned import Plan, plan

ARGS = PlatformArgs(
    namespace="shop",
    architectures=["arm64", "amd64"],
    spot=True,
    burstable=False,
    vcpu_limit=32,
    certificates="-----BEGIN ...",
)
LABELS = {"app.kubernetes.io/part-of": "shop", "app.kubernetes.io/managed-by": "pulumi"}


def planned(args: PlatformArgs) -> Plan:
    def program() -> None:
        Platform("platform", args)

    return plan(program)


@pytest.fixture(scope="module")
def recorded() -> Plan:
    return planned(ARGS)


def test_the_platform_has_these_objects_and_no_other(recorded: Plan) -> None:
    assert recorded.registered() == {
        ("shop:kubernetes:Platform", "platform"),
        ("kubernetes:core/v1:Namespace", "platform-namespace"),
        ("kubernetes:networking.k8s.io/v1:NetworkPolicy", "platform-default-deny"),
        ("kubernetes:core/v1:ConfigMap", "platform-network-policies"),
        ("kubernetes:core/v1:ConfigMap", "platform-rds-roots"),
        ("kubernetes:storage.k8s.io/v1:StorageClass", "platform-storage"),
        ("kubernetes:karpenter.sh/v1:NodePool", "platform-nodes"),
    }


def test_the_namespace_accepts_restricted_pods_only_and_waits_for_the_load_balancer(recorded: Plan) -> None:
    assert recorded.one(":Namespace").inputs["metadata"] == {
        "name": "shop",
        "labels": LABELS
        | {
            "pod-security.kubernetes.io/enforce": "restricted",
            "pod-security.kubernetes.io/enforce-version": "latest",
            "pod-security.kubernetes.io/audit": "restricted",
            "pod-security.kubernetes.io/audit-version": "latest",
            "pod-security.kubernetes.io/warn": "restricted",
            "pod-security.kubernetes.io/warn-version": "latest",
            "eks.amazonaws.com/pod-readiness-gate-inject": "enabled",
        },
    }


def test_a_pod_without_a_policy_of_its_own_neither_sends_nor_receives(recorded: Plan) -> None:
    inputs = recorded.one(":NetworkPolicy").inputs

    assert inputs["metadata"] == {"name": "default-deny", "namespace": "shop", "labels": LABELS}
    assert inputs["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_network_policies_are_enforced_at_all(recorded: Plan) -> None:
    inputs = recorded.named(":ConfigMap", "platform-network-policies")

    assert inputs["metadata"] == {"name": "amazon-vpc-cni", "namespace": "kube-system", "labels": LABELS}
    assert inputs["data"] == {"enable-network-policy-controller": "true"}


def test_the_roots_of_rds_are_there_to_be_mounted(recorded: Plan) -> None:
    inputs = recorded.named(":ConfigMap", "platform-rds-roots")

    assert inputs["metadata"] == {"name": "rds-roots", "namespace": "shop", "labels": LABELS}
    assert inputs["data"] == {"ca.pem": "-----BEGIN ..."}


def test_volumes_are_encrypted_and_made_in_the_zone_of_their_pod(recorded: Plan) -> None:
    inputs = {
        key: value for key, value in recorded.one(":StorageClass").inputs.items() if key not in ("kind", "apiVersion")
    }

    assert inputs == {
        "metadata": {
            "name": "gp3",
            "labels": LABELS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "ebs.csi.eks.amazonaws.com",
        "parameters": {"type": "gp3", "encrypted": "true"},
        "volumeBindingMode": "WaitForFirstConsumer",
        "allowVolumeExpansion": True,
        "reclaimPolicy": "Delete",
    }


def test_nodes_are_small_recent_limited_and_replaced(recorded: Plan) -> None:
    inputs = recorded.one(":NodePool").inputs

    assert inputs["metadata"] == {"name": "shop", "labels": LABELS}
    assert inputs["spec"] == {
        "weight": 10,
        "limits": {"cpu": "32"},
        "disruption": {
            "consolidationPolicy": "WhenEmptyOrUnderutilized",
            "consolidateAfter": "5m",
            "budgets": [{"nodes": "10%"}],
        },
        "template": {
            "spec": {
                "nodeClassRef": {"group": "eks.amazonaws.com", "kind": "NodeClass", "name": "default"},
                "requirements": [
                    {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["spot", "on-demand"]},
                    {"key": "kubernetes.io/arch", "operator": "In", "values": ["arm64", "amd64"]},
                    {"key": "eks.amazonaws.com/instance-category", "operator": "In", "values": ["c", "m", "r"]},
                    {"key": "eks.amazonaws.com/instance-generation", "operator": "Gt", "values": ["4"]},
                    {"key": "eks.amazonaws.com/instance-cpu", "operator": "Lt", "values": ["9"]},
                ],
                "expireAfter": "336h",
                "terminationGracePeriod": "1h",
            }
        },
    }


def test_without_spot_and_for_one_architecture_only_these_two_requirements_differ(recorded: Plan) -> None:
    steady = planned(replace(ARGS, spot=False, architectures=["arm64"])).one(":NodePool").inputs["spec"]
    cheap = recorded.one(":NodePool").inputs["spec"]

    requirements = steady["template"]["spec"]["requirements"]
    assert requirements[0]["values"] == ["on-demand"]
    assert requirements[1]["values"] == ["arm64"]
    assert requirements[2:] == cheap["template"]["spec"]["requirements"][2:]
    assert {key: steady[key] for key in steady if key != "template"} == {
        key: cheap[key] for key in cheap if key != "template"
    }


def test_what_pods_need_is_named_and_volumes_are_not_among_it() -> None:
    ready: set[str] = set()

    def program() -> None:
        ready.update(each._name for each in Platform("platform", ARGS).ready)

    plan(program)

    assert ready == {
        "platform-namespace",
        "platform-default-deny",
        "platform-network-policies",
        "platform-nodes",
        "platform-rds-roots",
    }


def test_nodes_that_are_cheap_while_they_idle_are_taken_where_that_is_wanted() -> None:
    [pool] = planned(replace(ARGS, burstable=True)).of_type(":NodePool")
    requirements = {each["key"]: each["values"] for each in pool.inputs["spec"]["template"]["spec"]["requirements"]}

    assert requirements["eks.amazonaws.com/instance-category"] == ["c", "m", "r", "t"]
    assert requirements["eks.amazonaws.com/instance-generation"] == ["2"]  # t4g and t3 are of the fourth and third
