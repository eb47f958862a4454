"""The limit of what roles may do, which is in the account before the program runs (infra/environment.yaml)."""

import json
from typing import Any

from tests.aws import cloudformation
from tests.integration.harness.aws.data_plane.settings import ACCOUNT
from tests.integration.harness.machine.paths import ROOT

ENVIRONMENT = "emulated"
GIVEN = {"Repository": "acme/shop", "Environment": ENVIRONMENT}
IMPORTS = {
    "shop-github": f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com",
    "shop-state": "arn:aws:s3:::shop-state",
    "shop-state-key": f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/state",
}


def make(iam: Any) -> None:
    """Without it IAM allows roles nothing: the program names it as the boundary of each. `iam`: a client of boto3."""
    policy = cloudformation.Template(ROOT / "infra/environment.yaml", GIVEN, IMPORTS).properties("Boundary")
    document = json.dumps(policy["PolicyDocument"]).replace(cloudformation.ACCOUNT, ACCOUNT)
    iam.create_policy(PolicyName=policy["ManagedPolicyName"], PolicyDocument=document)
