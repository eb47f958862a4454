"""What an account is given by hand before its first environment: where Pulumi keeps its state."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.aws.cloudformation import ACCOUNT, REGION, Template

ROOT = Path(__file__).parent.parent.parent
TEMPLATES = ("account.yaml", "environment.yaml")
BUCKET = f"arn:aws:s3:::shop-state-{ACCOUNT}-{REGION}"
STATE_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/state"


def account(**values: str) -> Template:
    return Template(ROOT / "infra/account.yaml", values)


@pytest.mark.slow
@pytest.mark.parametrize("template", TEMPLATES)
def test_the_linter_of_cloudformation_finds_nothing(template: str) -> None:
    command = [str(Path(sys.executable).with_name("cfn-lint")), "--include-checks", "I", "--", f"infra/{template}"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


def test_an_account_gets_a_bucket_its_key_the_identity_provider_of_github_and_the_role_of_spot() -> None:
    assert {name: each["Type"] for name, each in account().resources.items()} == {
        "StateKey": "AWS::KMS::Key",
        "StateKeyAlias": "AWS::KMS::Alias",
        "State": "AWS::S3::Bucket",
        "StatePolicy": "AWS::S3::BucketPolicy",
        "GitHub": "AWS::IAM::OIDCProvider",
        "SpotRole": "AWS::IAM::ServiceLinkedRole",
    }
    assert "GitHub" not in account(CreateGitHubProvider="false").resources


def test_a_fresh_account_gets_the_role_of_spot_instances_and_keeps_it() -> None:
    role = account().resources["SpotRole"]

    assert role["Properties"] == {"AWSServiceName": "spot.amazonaws.com"}
    assert (role["DeletionPolicy"], role["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert "SpotRole" not in account(CreateSpotRole="false").resources


def test_the_state_is_versioned_encrypted_with_its_own_key_closed_to_the_public_and_outlives_the_template() -> None:
    bucket = account().resources["State"]
    properties = bucket["Properties"]

    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    [encryption] = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption == {
        "BucketKeyEnabled": True,
        "ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": STATE_KEY},
    }
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(properties["PublicAccessBlockConfiguration"]) == 4
    assert properties["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    rules = {rule["Id"]: rule for rule in properties["LifecycleConfiguration"]["Rules"]}
    assert rules["OldVersions"]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 90}
    assert "ExpirationInDays" not in rules["OldVersions"]


@pytest.mark.parametrize(("transport", "version"), [("false", "1.3"), ("true", "1.1")])
def test_the_bucket_speaks_tls_of_today_only(transport: str, version: str) -> None:
    statements = account().properties("StatePolicy")["PolicyDocument"]["Statement"]
    conditions = {"Bool": "false", "NumericLessThan": "1.2"}
    [refusal] = [
        each
        for each in statements
        for operator, condition in each["Condition"].items()
        if (operator == "Bool" and condition["aws:SecureTransport"] == conditions[operator] == transport)
        or (operator == "NumericLessThan" and float(version) < float(condition["s3:TlsVersion"]))
    ]

    assert (refusal["Effect"], refusal["Principal"], refusal["Action"]) == ("Deny", "*", "s3:*")
    assert refusal["Resource"] == [BUCKET, f"{BUCKET}/*"]


def test_the_key_of_the_state_rotates_and_outlives_the_template() -> None:
    key = account().resources["StateKey"]

    assert (key["DeletionPolicy"], key["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert key["Properties"]["EnableKeyRotation"] is True
    assert key["Properties"]["PendingWindowInDays"] == 30
    # Nobody by the key's own policy: who may use it is said by policies of roles in this account.
    assert [(each["Effect"], each["Principal"]) for each in key["Properties"]["KeyPolicy"]["Statement"]] == [
        ("Allow", {"AWS": f"arn:aws:iam::{ACCOUNT}:root"})
    ]
    assert account().properties("StateKeyAlias")["AliasName"] == "alias/shop-state"  # infra/environment.yaml has it


def test_old_states_are_kept_for_a_week_at_least_and_what_is_unfinished_is_not() -> None:
    rules = {rule["Id"]: rule for rule in account().properties("State")["LifecycleConfiguration"]["Rules"]}

    assert {rule["Status"] for rule in rules.values()} == {"Enabled"}
    assert rules["UnfinishedUploads"]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    assert account().document["Parameters"]["OldStateDays"]["MinValue"] == 7


def test_tokens_of_github_are_checked_by_their_issuer_and_audience_and_the_provider_outlives_the_template() -> None:
    provider = account().resources["GitHub"]

    assert (provider["DeletionPolicy"], provider["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert provider["Properties"] == {
        "Url": "https://token.actions.githubusercontent.com",
        "ClientIdList": ["sts.amazonaws.com"],
    }


def test_an_environment_finds_what_it_imports_and_a_person_the_address_of_the_state() -> None:
    outputs = account().document["Outputs"]
    imported = set(re.findall(r"ImportValue ([\w-]+)", (ROOT / "infra/environment.yaml").read_text()))

    assert imported == {each["Export"]["Name"] for each in outputs.values() if "Export" in each}
    assert outputs["BackendUrl"]["Value"] == {"Fn::Sub": "s3://${State}?region=${AWS::Region}&awssdk=v2"}


def test_the_defaults_are_right() -> None:
    assert account().refused() == []
    assert account(CreateGitHubProvider="no").refused() == ["CreateGitHubProvider"]
    assert account(CreateSpotRole="no").refused() == ["CreateSpotRole"]
