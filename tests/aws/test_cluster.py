"""The cluster, on mocks."""

import json
from dataclasses import replace
from typing import Any

import pulumi
import pulumi_aws as aws
import pytest

from infra.aws.cluster import Cluster, ClusterArgs
from plans.made_up import ACCOUNT, REGION
from plans.planned import Plan, Planned, plan
from tests.aws.attributes import resolved
from tests.aws.environments import BOUNDED, DEV, PROTECTED

ADMINS = (f"arn:aws:iam::{ACCOUNT}:role/shop-dev-deploy", f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/people")
ARGS = ClusterArgs(
    environment=DEV,
    version="1.35",
    subnet_ids=["subnet-a", "subnet-b"],
    egress=[],
    admins=ADMINS,
    viewers=(),
    public_access_cidrs=["203.0.113.0/24"],
    log_days=7,
    container_logs=False,
    existing_log_groups=(),
)
PRODUCTION = replace(ARGS, environment=PROTECTED, public_access_cidrs=(), log_days=90, container_logs=True)
CLUSTER_ARN = f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/shop-dev"
KEY_ARN = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/cluster-key-id"


class WayOut(pulumi.ComponentResource):
    """Stands for NAT gateways and routes: an address behind a component."""

    def __init__(self) -> None:
        super().__init__("shop:aws:WayOut", "way-out")
        self.address = aws.ec2.Eip("way-out", opts=pulumi.ResourceOptions(parent=self))


def cluster(args: ClusterArgs = ARGS) -> tuple[Plan, Cluster]:
    made: list[Cluster] = []

    def program() -> None:
        made.append(Cluster("cluster", replace(args, egress=[WayOut().address])))

    return plan(program), made[0]


def attachments(kind: str, *policies: str) -> set[tuple[str, str]]:
    kind_of_resource = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
    return {("aws:iam/role:Role", f"cluster-{kind}")} | {
        (kind_of_resource, f"cluster-{kind}-{policy}") for policy in policies
    }


CLUSTER_ROLE = attachments(
    "control-plane",
    "AmazonEKSBlockStoragePolicy",
    "AmazonEKSClusterPolicy",
    "AmazonEKSComputePolicy",
    "AmazonEKSLoadBalancingPolicy",
    "AmazonEKSNetworkingPolicy",
)
NODE_ROLE = attachments("node", "AmazonEC2ContainerRegistryPullOnly", "AmazonEKSWorkerNodeMinimalPolicy")


@pytest.fixture(scope="module")
def production() -> Plan:
    return cluster(PRODUCTION)[0]


def control_plane(planned: Plan) -> Planned:
    return planned.one("aws:eks/cluster:Cluster")


def test_production_answers_inside_its_network_only_and_cannot_be_deleted_by_a_slip(production: Plan) -> None:
    inputs = control_plane(production).inputs

    assert inputs["vpcConfig"] == {
        "subnetIds": ["subnet-a", "subnet-b"],
        "endpointPrivateAccess": True,
        "endpointPublicAccess": False,
    }
    assert inputs["deletionProtection"] is True


def test_the_cluster_is_made_after_its_policies_its_key_and_its_log_group(production: Plan) -> None:
    needed = production.needs(control_plane(production))
    of_its_own = {(production.by_urn[urn].type, production.by_urn[urn].name) for urn in needed}

    assert of_its_own == {
        *CLUSTER_ROLE,
        *NODE_ROLE,
        ("aws:iam/rolePolicy:RolePolicy", "cluster-control-plane-key"),
        ("aws:kms/key:Key", "cluster-key"),
        ("aws:cloudwatch/logGroup:LogGroup", "cluster-control-plane"),
    }


def test_add_ons_wait_for_the_way_out_which_the_cluster_itself_does_not(production: Plan) -> None:
    way_out = production.one(":Eip", "way-out").urn
    addons = production.of_type(":Addon")

    assert way_out not in production.needs(control_plane(production))
    assert [each.name for each in addons] == ["cluster-amazon-cloudwatch-observability", "cluster-metrics-server"]
    for addon in addons:
        assert {way_out, control_plane(production).urn} <= production.needs(addon)


def test_every_role_stays_within_the_boundary_of_the_environment(production: Plan) -> None:
    bounded = cluster(replace(PRODUCTION, environment=BOUNDED))[0]

    assert [each.inputs.get("permissionsBoundary") for each in production.of_type(":Role")] == [None] * 3
    assert [each.inputs["permissionsBoundary"] for each in bounded.of_type(":Role")] == ["arn:boundary"] * 3


def test_every_log_group_that_aws_would_make_is_ours_encrypted_and_ends(production: Plan) -> None:
    groups = {each.inputs["name"]: each.inputs for each in production.of_type(":LogGroup")}
    observed = "/aws/containerinsights/shop-dev"

    assert set(groups) == {
        "/aws/eks/shop-dev/cluster",
        f"{observed}/application",
        f"{observed}/dataplane",
        f"{observed}/host",
        f"{observed}/performance",
    }
    assert {(each["retentionInDays"], each["kmsKeyId"]) for each in groups.values()} == {(90, KEY_ARN)}
    agent = production.one(":Addon", "cluster-amazon-cloudwatch-observability")
    assert {each.urn for each in production.of_type(":LogGroup")} <= production.needs(agent)


def test_the_cloudwatch_agent_has_its_role_by_pod_identity_before_it_starts(production: Plan) -> None:
    agent = production.one(":Addon", "cluster-amazon-cloudwatch-observability")

    assert agent.inputs["podIdentityAssociations"] == [
        {"roleArn": f"arn:aws:iam::{ACCOUNT}:role/cluster-cloudwatch-agent", "serviceAccount": "cloudwatch-agent"}
    ]
    attached = production.one(":RolePolicyAttachment", "cluster-cloudwatch-agent-CloudWatchAgentServerPolicy")
    assert attached.urn in production.needs(agent)
    assert "podIdentityAssociations" not in production.named(":Addon", "cluster-metrics-server")


def test_access_is_the_cluster_and_every_right_to_call_it() -> None:
    planned, made = cluster()
    urns = {planned.one(f"aws:eks/{_module(each)}:{type(each).__name__}", each._name).urn for each in made.access}

    assert urns == {
        control_plane(planned).urn,
        *(each.urn for each in planned.of_type(":AccessEntry")),
        *(each.urn for each in planned.of_type(":AccessPolicyAssociation")),
    }


def _module(resource: pulumi.Resource) -> str:
    kind = type(resource).__name__
    return kind[0].lower() + kind[1:]


def test_outputs_say_how_to_reach_the_cluster_and_the_kubeconfig_holds_no_secret() -> None:
    outputs = ("name", "arn", "endpoint", "certificate_authority", "security_group_id", "node_role_name", "kubeconfig")
    made: list[dict[str, Any]] = []
    plan(lambda: made.append(resolved(Cluster("cluster", ARGS), *outputs)))
    [found] = made
    kubeconfig = json.loads(found.pop("kubeconfig"))

    assert found == {
        "name": "shop-dev",
        "arn": CLUSTER_ARN,
        "endpoint": f"https://cluster.eks.{REGION}.amazonaws.com",
        "certificate_authority": "Q0E=",
        "security_group_id": "sg-cluster",
        "node_role_name": "cluster-node",
    }
    assert kubeconfig == {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "shop-dev",
                "cluster": {"server": found["endpoint"], "certificate-authority-data": "Q0E="},
            }
        ],
        "users": [
            {
                "name": "shop-dev",
                "user": {
                    "exec": {
                        "apiVersion": "client.authentication.k8s.io/v1beta1",
                        "command": "aws",
                        "args": [
                            *("--region", REGION, "eks", "get-token"),
                            *("--cluster-name", "shop-dev", "--output", "json"),
                        ],
                        "interactiveMode": "Never",
                    }
                },
            }
        ],
        "contexts": [{"name": "shop-dev", "context": {"cluster": "shop-dev", "user": "shop-dev"}}],
        "current-context": "shop-dev",
    }


def test_log_groups_that_are_there_are_taken_over_and_the_others_made() -> None:
    there = {"/aws/eks/shop-dev/cluster", "/aws/containerinsights/shop-dev/host", "/aws/containerinsights/other/host"}

    plan, _ = cluster(replace(PRODUCTION, existing_log_groups=there))

    assert {each.inputs["name"]: each.options.get("importId", "") for each in plan.of_type(":LogGroup")} == {
        "/aws/eks/shop-dev/cluster": "/aws/eks/shop-dev/cluster",
        "/aws/containerinsights/shop-dev/application": "",
        "/aws/containerinsights/shop-dev/dataplane": "",
        "/aws/containerinsights/shop-dev/host": "/aws/containerinsights/shop-dev/host",
        "/aws/containerinsights/shop-dev/performance": "",
    }
