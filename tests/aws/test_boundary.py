"""The boundary of roles (infra/environment.yaml): what every role of the program does is within it, and nothing of what
somebody might try who may make roles. The list of what it leaves open is exact, too: docs/adr/0027."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import yaml

from plans.planned import Plan, Planned
from tests.aws import planning
from tests.aws.calls import needed
from tests.aws.cloudformation import ACCOUNT, REGION, allowed
from tests.aws.planning import document
from tests.aws.probes import LEFT_OPEN, LEFT_OPEN_TO_DEPLOYMENTS, PROBES
from tests.aws.roles import managed, statements_of

MANAGED: dict[str, list[str]] = yaml.safe_load(Path(__file__).with_name("managed_policies.yaml").read_text())
NOT_USED = {
    "acm:*": "load balancers that Kubernetes makes, with certificates; ours is Pulumi's (docs/adr/0016)",
    "autoscaling:*": "kept by AWS for older clusters; EKS uses it no more",
    "cognito-idp:DescribeUserPoolClient": "Ingress that signs people in",
    "ec2:*Coip*": "Outposts",
    "ec2:*ClassicLink*": "there is none any more",
    "ec2:*Route": "routes to pods of a cluster without VPC networking",
    "ec2:CreateSecurityGroup": "of load balancers that Kubernetes makes; EKS makes that of the cluster itself",
    "ec2:DeleteNetworkInterface": "EKS removes them by a role of its own, AWSServiceRoleForAmazonEKS",
    "ec2:DeleteSecurityGroup": "as CreateSecurityGroup",
    "ec2:DeleteVolume": "as DeleteNetworkInterface",
    "ec2:ModifyInstanceAttribute": "source checks, for routes to pods",
    "ecr:BatchImportUpstreamImage": "pull-through caches",
    "elasticloadbalancing:[A-CMS]*": "load balancers that Kubernetes makes",
    "elasticloadbalancing:De[lt]*": "the same",
    "elasticloadbalancing:Deregister[I]*": "the classic load balancer",
    "elasticloadbalancing:DescribeLoadBalancerPolicies": "the classic load balancer",
    "elasticloadbalancing:Re[m]*": "load balancers that Kubernetes makes",
    "elasticloadbalancing:RegisterInstancesWithLoadBalancer": "the classic load balancer",
    "shield:*": "load balancers that Kubernetes makes",
    "ssm:GetParameter": "the agent's configuration comes with the add-on",
    "wafv2:*": "load balancers that Kubernetes makes",
}
"""Actions of AWS's policies that stay outside, and why nothing here misses them."""
STACKS = ("dev", "staging", "prod")


@pytest.mark.parametrize("stack", STACKS)
def test_whatever_a_role_of_the_program_does_is_within_the_boundary(stack: str) -> None:
    boundary, plan = statements_of(stack, "Boundary"), planning.environment(stack)

    outside = {
        (policy.name, action, resource)
        for policy in plan.of_type("iam/rolePolicy:RolePolicy")
        for action, resource in _allowed_by(policy)
        if not allowed(boundary, action, resource, _own(stack))
    }
    assert outside == set()


@pytest.mark.parametrize("stack", STACKS)
def test_whatever_aws_allows_a_role_of_the_program_is_within_it_or_not_used(stack: str) -> None:
    boundary = statements_of(stack, "Boundary")

    outside = {
        action
        for policy in _attached(planning.environment(stack))
        for action in MANAGED[policy]
        for resource in _resources(action, stack)
        if not allowed(boundary, action, resource, _own(stack))
    }
    assert {action for action in outside if not _not_used(action)} == set()


def test_what_is_said_to_be_not_used_is_outside_and_the_policies_are_those_of_the_program() -> None:
    boundary = statements_of("prod", "Boundary")
    actions = {action for policy in MANAGED.values() for action in policy}

    assert set(MANAGED) == {policy for stack in STACKS for policy in _attached(planning.environment(stack))}
    for pattern in NOT_USED:
        matching = [action for action in actions if fnmatchcase(action, pattern)]
        assert matching, pattern
        assert not any(
            allowed(boundary, action, resource, _own("prod"))
            for action in matching
            for resource in _resources(action, "prod")
        ), pattern


def test_nodes_and_topics_are_encrypted_by_aws_own_keys_and_by_no_other_of_them() -> None:
    boundary = statements_of("dev", "Boundary")
    for action in ("CreateGrant", "Decrypt", "DescribeKey", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext"):
        for alias, may in (("alias/aws/ebs", True), ("alias/aws/sns", True), ("alias/aws/rds", False)):
            context = {"aws:RequestedRegion": REGION, "kms:ResourceAliases": alias}
            assert allowed(boundary, f"kms:{action}", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/x", context) is may


def test_a_role_within_the_boundary_cannot() -> None:
    """The role allows itself everything; the boundary of dev is what it has."""
    boundary = statements_of("dev", "Boundary")

    assert [probe.name for probe in PROBES if probe.succeeds(boundary)] == []


def test_nor_can_the_role_that_deploys() -> None:
    held = managed("dev", "DeployRole")

    assert [probe.name for probe in PROBES if not probe.is_its_own_to_do and probe.succeeds(held)] == []


def test_only_separate_accounts_keep_a_role_from() -> None:
    """If this fails, the way is closed: move it to PROBES, and out of docs/adr/0027."""
    boundary = statements_of("dev", "Boundary")

    assert [probe.name for probe in LEFT_OPEN if not probe.succeeds(boundary)] == []


def test_only_separate_accounts_keep_a_deployment_from() -> None:
    held = managed("dev", "DeployRole")

    assert [probe.name for probe in LEFT_OPEN_TO_DEPLOYMENTS if not probe.succeeds(held)] == []


def _allowed_by(policy: Planned) -> Iterator[tuple[str, str]]:
    for statement in document(policy.inputs["policy"])["Statement"]:
        resources = statement["Resource"]
        for action in statement["Action"]:
            for resource in resources if isinstance(resources, list) else [resources]:
                yield action, resource


def _attached(plan: Plan) -> set[str]:
    attachments = plan.of_type("iam/rolePolicyAttachment:RolePolicyAttachment")
    return {each.inputs["policyArn"].rpartition("/")[2] for each in attachments}


def _own(stack: str) -> dict[str, str]:
    """As on a thing of the environment and of its cluster, made or handed on as EKS does it."""
    return {
        "aws:RequestedRegion": REGION,
        "aws:ResourceTag/Environment": stack,
        "aws:ResourceTag/Name": f"eks-cluster-sg-shop-{stack}-0123456789",
        "aws:ResourceTag/eks:eks-cluster-name": f"shop-{stack}",
        "ec2:CreateAction": "RunInstances",
        "iam:PassedToService": "ec2.amazonaws.com",
    }


def _resources(action: str, stack: str) -> list[str]:
    iam = f"arn:aws:iam::{ACCOUNT}"
    of_iam = {
        "iam:AddRoleToInstanceProfile": [f"{iam}:instance-profile/eks-{REGION}-shop-{stack}-0123"],
        "iam:CreateServiceLinkedRole": [
            f"{iam}:role/aws-service-role/spot.amazonaws.com/AWSServiceRoleForEC2Spot",
            f"{iam}:role/aws-service-role/elasticloadbalancing.amazonaws.com/AWSServiceRoleForElasticLoadBalancing",
        ],
        "iam:PassRole": [f"{iam}:role/shop-{stack}-cluster-node-0a1b2c3"],
        "ec2:AuthorizeSecurityGroupIngress": [
            f"arn:aws:ec2:{REGION}:{ACCOUNT}:security-group/sg-0123",
            f"arn:aws:ec2:{REGION}:{ACCOUNT}:security-group-rule/sgr-0123",
        ],
        "logs:CreateLogGroup": [
            f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/containerinsights/shop-{stack}/application"
        ],
    }
    of_iam["logs:PutRetentionPolicy"] = of_iam["logs:CreateLogGroup"]
    return of_iam.get(action) or list(needed.resources(action, stack))


def _not_used(action: str) -> bool:
    return any(fnmatchcase(action, pattern) for pattern in NOT_USED)
