"""The roles and policies of infra/environment.yaml, resolved as CloudFormation does."""

from functools import cache
from pathlib import Path
from typing import Any

from tests.aws.cloudformation import ACCOUNT, REGION, Template

ROOT = Path(__file__).parent.parent.parent
STACKS = ("dev", "staging", "prod")
BUCKET = f"arn:aws:s3:::shop-state-{ACCOUNT}-{REGION}"
STATE_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/state"
GITHUB = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
IMPORTS = {"shop-state": BUCKET, "shop-state-key": STATE_KEY, "shop-github": GITHUB}
ZONE = "Z0123456789"
POLICIES = (
    "Boundary",
    "DeployPolicy",
    "DeployDataPolicy",
    "DeployNetworkPolicy",
    "DeployServicesPolicy",
    "PreviewPolicy",
)


def environment(name: str = "dev", **values: str) -> Template:
    return Template(ROOT / "infra/environment.yaml", {"Repository": "acme/shop", "Environment": name} | values, IMPORTS)


@cache
def whole(name: str) -> Template:
    """With a domain of its own, and previews where they may be."""
    return environment(name, HostedZone=ZONE, Previews=str(name != "prod").lower())


def statements_of(name: str, policy: str) -> list[dict[str, Any]]:
    """Of a managed policy."""
    found: list[dict[str, Any]] = whole(name).properties(policy)["PolicyDocument"]["Statement"]
    return found


def managed(name: str, role: str) -> list[dict[str, Any]]:
    """Of all managed policies of the role."""
    template = whole(name)
    attached = template.properties(role)["ManagedPolicyArns"]
    policies = [each for each in POLICIES if each in template.resources and template.resolve({"Ref": each}) in attached]
    assert len(policies) == len(attached)
    return [statement for policy in policies for statement in statements_of(name, policy)]


def inline(name: str, role: str) -> list[dict[str, Any]]:
    return [
        each for policy in whole(name).properties(role)["Policies"] for each in policy["PolicyDocument"]["Statement"]
    ]


def key_of(name: str) -> str:
    return f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{name}"


def role_of(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"
