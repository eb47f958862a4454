"""What an environment is given by hand: a key and roles. The template is resolved as CloudFormation does and policies
judged as IAM does, as far as these go."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.aws.cloudformation import ACCOUNT, REGION, Template, allowed
from tests.aws.roles import (
    BUCKET,
    GITHUB,
    POLICIES,
    STATE_KEY,
    environment,
    inline,
    key_of,
    managed,
    role_of,
    statements_of,
)
from tests.aws.test_account import account

DEVELOPERS = f"arn:aws:iam::{ACCOUNT}:role/developers"
IN_REGION = {"aws:RequestedRegion": REGION}


def trusted(template: Template, role: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = template.properties(role)["AssumeRolePolicyDocument"]["Statement"]
    return found


def takes_on(template: Template, role: str, subject: str, audience: str = "sts.amazonaws.com") -> bool:
    """Whether a workflow with that subject gets the role."""
    issuer = "token.actions.githubusercontent.com"
    context = {f"{issuer}:sub": subject, f"{issuer}:aud": audience}
    of_workflows = [each for each in trusted(template, role) if each["Principal"] == {"Federated": GITHUB}]
    return allowed(of_workflows, "sts:AssumeRoleWithWebIdentity", "*", context)


def deploying(name: str = "dev") -> list[dict[str, Any]]:
    return [*managed(name, "DeployRole"), *inline(name, "DeployRole")]


def previewing(name: str = "dev") -> list[dict[str, Any]]:
    return [*managed(name, "PreviewRole"), *inline(name, "PreviewRole")]


def test_an_environment_gets_a_key_roles_and_their_limits_and_nothing_else() -> None:
    roles, policies = (
        {"DeployRole", "PreviewRole"},
        {f"Deploy{part}Policy" for part in ("", "Data", "Network", "Services")},
    )

    assert {name: each["Type"] for name, each in environment(Previews="true").resources.items()} == {
        "SecretsKey": "AWS::KMS::Key",
        "SecretsKeyAlias": "AWS::KMS::Alias",
        **dict.fromkeys({"Boundary", "PreviewPolicy", *policies}, "AWS::IAM::ManagedPolicy"),
        **dict.fromkeys(roles, "AWS::IAM::Role"),
    }
    assert roles & environment().resources.keys() == {"DeployRole"}


@pytest.mark.parametrize("template", ["environment", "account"])
def test_every_policy_is_in_the_language_of_2012(template: str) -> None:
    """In the one before it, which is the default, variables of policies mean themselves."""

    def documents(node: Any) -> Iterator[dict[str, Any]]:
        if isinstance(node, dict):
            if "Statement" in node:
                yield node
            node = list(node.values())
        for inner in node if isinstance(node, list) else ():
            yield from documents(inner)

    whole = environment(Previews="true") if template == "environment" else account()
    found = [each.get("Version") for each in documents(whole.resources)]

    assert found
    assert set(found) == {"2012-10-17"}


def test_the_key_of_the_secrets_rotates_and_outlives_the_template() -> None:
    key = environment().resources["SecretsKey"]

    assert (key["DeletionPolicy"], key["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert key["Properties"]["EnableKeyRotation"] is True
    assert key["Properties"]["PendingWindowInDays"] == 30  # to bring back what was deleted by mistake


@pytest.mark.parametrize("name", ["dev", "staging", "prod"])
def test_the_key_of_an_environment_has_the_name_that_the_secrets_provider_looks_for(name: str) -> None:
    alias = environment(name).properties("SecretsKeyAlias")
    assert alias == {"AliasName": f"alias/shop-{name}", "TargetKeyId": key_of(name)}


@pytest.mark.parametrize(
    ("previews", "readers"), [("false", {"shop-dev-deploy"}), ("true", {"shop-dev-deploy", "shop-dev-preview"})]
)
def test_secrets_of_an_environment_are_read_by_those_who_deploy_or_preview_it_and_no_administrator(
    previews: str, readers: set[str]
) -> None:
    statements = environment("dev", Previews=previews).properties("SecretsKey")["KeyPolicy"]["Statement"]
    everybody = ("shop-dev-deploy", "shop-dev-preview", "shop-prod-deploy", "shop-dev-orders-1a2b3c", "administrator")

    assert {
        who
        for who in everybody
        if allowed(statements, "kms:Decrypt", key_of("dev"), {"aws:PrincipalArn": role_of(who)})
    } == readers
    assert allowed(statements, "kms:PutKeyPolicy", key_of("dev"), {"aws:PrincipalArn": role_of("administrator")})


@pytest.mark.parametrize("name", ["dev", "staging", "prod"])
def test_only_a_job_of_the_github_environment_deploys(name: str) -> None:
    template = environment(name)

    assert takes_on(template, "DeployRole", f"repo:acme/shop:environment:{name}")
    others = {"dev", "staging", "prod"} - {name}
    for subject in (
        "repo:acme/shop:pull_request",
        "repo:acme/shop:ref:refs/heads/main",
        f"repo:other/shop:environment:{name}",
        f"repo:acme/shop:environment:{name}-2",
        *(f"repo:acme/shop:environment:{other}" for other in others),
    ):
        assert not takes_on(template, "DeployRole", subject)
    assert not takes_on(template, "DeployRole", f"repo:acme/shop:environment:{name}", audience="somebody")


def test_no_condition_on_a_subject_has_a_wildcard() -> None:
    template = environment("dev", Previews="true", People=DEVELOPERS)
    for role in ("DeployRole", "PreviewRole"):
        for statement in trusted(template, role):
            if "Federated" in statement["Principal"]:
                assert set(statement["Condition"]) == {"StringEquals"}
                assert "*" not in str(statement["Condition"])


def test_people_deploy_when_they_are_named_and_only_they() -> None:
    assert [each["Sid"] for each in trusted(environment(), "DeployRole")] == ["Workflows"]
    [_, people] = trusted(environment(People=DEVELOPERS), "DeployRole")
    assert people == {
        "Sid": "People",
        "Effect": "Allow",
        "Principal": {"AWS": [DEVELOPERS]},
        "Action": "sts:AssumeRole",
    }


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"People": "*"}, "People"),
        ({"People": f"arn:aws:iam::{ACCOUNT}:role/*"}, "People"),
        ({"People": f"{DEVELOPERS},arn:aws:iam::{ACCOUNT}:root"}, "People"),
        ({"Repository": "acme"}, "Repository"),
        ({"Repository": "acme/*"}, "Repository"),
        ({"Environment": "local"}, "Environment"),
        ({"Environment": "prod", "Previews": "true"}, "prod has no previews"),
    ],
)
def test_wrong_values_are_refused_before_anything_is_made(values: dict[str, str], said: str) -> None:
    [refusal] = environment(**{"name": values.pop("Environment", "dev")} | values).refused()
    assert refusal.endswith(said)


def test_right_values_are_taken_also_with_the_numbers_of_immutable_subjects() -> None:
    values = {"Repository": "acme@123456/shop@456789", "Previews": "true", "People": f"{DEVELOPERS},{DEVELOPERS}2"}
    template = environment("staging", **values)

    assert template.refused() == environment("prod").refused() == []
    assert takes_on(template, "DeployRole", "repo:acme@123456/shop@456789:environment:staging")


def test_pull_requests_preview_where_it_is_wanted_and_never_production() -> None:
    preview = environment("dev", Previews="true")

    assert takes_on(preview, "PreviewRole", "repo:acme/shop:pull_request")
    assert not takes_on(preview, "PreviewRole", "repo:acme/shop:ref:refs/heads/main")
    assert "PreviewRole" not in environment("dev").resources
    assert "PreviewRole" not in environment("prod", Previews="true").resources


@pytest.mark.parametrize("name", ["dev", "staging"])
def test_a_preview_decrypts_the_state_and_the_secrets_of_its_environment_and_no_other_key(name: str) -> None:
    statements = previewing(name)

    assert allowed(statements, "kms:Decrypt", key_of(name))
    assert allowed(statements, "kms:Decrypt", STATE_KEY)
    for other in {"dev", "staging", "prod", "of-rds"} - {name}:
        assert not allowed(statements, "kms:Decrypt", key_of(other))
        assert not allowed(statements, "kms:CreateGrant", key_of(other))


def test_a_preview_reads_the_state_of_its_environment_and_writes_none() -> None:
    statements = previewing("dev")

    assert allowed(statements, "s3:GetObject", f"{BUCKET}/.pulumi/stacks/shop/dev.json")
    assert allowed(statements, "s3:GetObject", f"{BUCKET}/.pulumi/meta.yaml")
    for other in ("stacks/shop/prod.json", "stacks/shop/dev-2.json", "backups/shop/dev/1.json", "history/shop/prod/1"):
        assert not allowed(statements, "s3:GetObject", f"{BUCKET}/.pulumi/{other}")
    assert not allowed(statements, "s3:GetObject", "arn:aws:s3:::another-bucket/file")
    for action in ("s3:PutObject", "s3:DeleteObject"):
        assert not allowed(statements, action, f"{BUCKET}/.pulumi/stacks/shop/dev.json")


WRITTEN_BY_OTHERS = (
    "apigateway:POST",
    "cloudwatch:GetMetricData",
    "cognito-idp:AdminGetUser",
    "cognito-idp:AdminListGroupsForUser",
    "cognito-idp:ListUsers",
    "cognito-idp:ListUsersInGroup",
    "dynamodb:BatchGetItem",
    "dynamodb:ExportTableToPointInTime",
    "dynamodb:GetItem",
    "dynamodb:GetRecords",
    "dynamodb:PartiQLSelect",
    "dynamodb:Query",
    "dynamodb:Scan",
    "ec2:GetConsoleOutput",
    "ec2:GetPasswordData",
    "ecr:GetDownloadUrlForLayer",
    "eks:AccessKubernetesApi",
    "logs:FilterLogEvents",
    "logs:GetLogEvents",
    "logs:GetLogRecord",
    "logs:GetQueryResults",
    "logs:StartLiveTail",
    "logs:StartQuery",
    "logs:Unmask",
    "pi:GetDimensionKeyDetails",
    "pi:GetResourceMetrics",
    "rds-db:connect",
    "rds:DownloadCompleteDBLogFile",
    "rds:DownloadDBLogFilePortion",
    "secretsmanager:BatchGetSecretValue",
    "secretsmanager:GetSecretValue",
    "sns:Publish",
    "sqs:ReceiveMessage",
    "ssm:GetParameter",
    "ssm:GetParametersByPath",
    "sts:AssumeRole",
    "xray:BatchGetTraces",
)


def test_a_preview_reads_nothing_that_people_or_services_have_written() -> None:
    own = IN_REGION | {"aws:ResourceTag/Environment": "dev"}
    statements = previewing()

    for action in WRITTEN_BY_OTHERS:
        for resource in ("*", "arn:aws:x:y:z:dev/shop-dev"):
            assert not allowed(statements, action, resource, own), action


def test_a_preview_reads_no_api_key() -> None:
    """They are API Gateway's, where an action is no more than an HTTP method."""
    assert allowed(previewing(), "apigateway:GET", f"arn:aws:apigateway:{REGION}::/apis/0123", IN_REGION)
    assert not allowed(previewing(), "apigateway:GET", f"arn:aws:apigateway:{REGION}::/apikeys/0123", IN_REGION)


def test_a_preview_of_one_environment_does_not_look_at_another() -> None:
    pool = f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/x"
    for name, may in (("dev", True), ("staging", False)):
        tagged = IN_REGION | {"aws:ResourceTag/Environment": name}
        assert allowed(previewing("dev"), "cognito-idp:DescribeUserPoolClient", pool, tagged) is may


def test_a_deployment_reads_and_writes_the_state_of_its_environment_alone() -> None:
    statements = deploying("dev")
    of_dev = ("stacks/shop/dev.json", "history/shop/dev/1.json", "backups/shop/dev/1", "locks/organization/shop/dev/1")

    for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"):
        assert all(allowed(statements, action, f"{BUCKET}/.pulumi/{path}") for path in of_dev)
        assert not any(
            allowed(statements, action, f"{BUCKET}/.pulumi/{path.replace('/dev', '/prod')}") for path in of_dev
        )
    assert not allowed(statements, "s3:PutBucketPolicy", BUCKET, IN_REGION)
    assert not allowed(statements, "s3:DeleteBucket", BUCKET, IN_REGION)
    assert allowed(statements, "s3:PutObject", f"{BUCKET}/.pulumi/meta.yaml")
    assert not allowed(statements, "s3:DeleteObject", f"{BUCKET}/.pulumi/meta.yaml")


def test_a_deployment_makes_roles_only_by_name_and_within_the_boundary() -> None:
    statements = deploying("dev")
    boundary = {"iam:PermissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/shop-dev-boundary"}
    other = {"iam:PermissionsBoundary": "arn:aws:iam::aws:policy/AdministratorAccess"}

    for action in ("iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy"):
        assert allowed(statements, action, role_of("shop-dev-orders-1a2b3c"), boundary)
        assert not allowed(statements, action, role_of("shop-dev-orders-1a2b3c"))
        assert not allowed(statements, action, role_of("shop-dev-orders-1a2b3c"), other)
        assert not allowed(statements, action, role_of("administrator"), boundary)
    assert not allowed(statements, "iam:DeleteRolePermissionsBoundary", role_of("shop-dev-orders-1a2b3c"), boundary)
    assert not allowed(statements, "iam:UpdateAssumeRolePolicy", role_of("administrator"))
    assert not allowed(statements, "iam:CreateUser", f"arn:aws:iam::{ACCOUNT}:user/me")
    assert not allowed(statements, "iam:CreatePolicyVersion", boundary["iam:PermissionsBoundary"])


@pytest.mark.parametrize("role", ["shop-dev-deploy", "shop-dev-preview", "shop-prod-deploy"])
def test_a_deployment_changes_no_role_of_this_template(role: str) -> None:
    boundary = {"iam:PermissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/shop-dev-boundary"}
    for action in ("iam:UpdateAssumeRolePolicy", "iam:PutRolePolicy", "iam:AttachRolePolicy", "iam:DeleteRole"):
        assert not allowed(deploying("dev"), action, role_of(role), boundary)


def test_a_deployment_touches_nothing_that_is_tagged_as_another_environments_but_reads_its_images() -> None:
    statements = deploying("staging")
    of = {name: IN_REGION | {"aws:ResourceTag/Environment": name} for name in ("dev", "staging")}

    assert allowed(statements, "rds:DeleteDBInstance", "arn:db", of["staging"])
    assert allowed(statements, "rds:CreateDBInstance", "arn:db", IN_REGION)
    assert not allowed(statements, "rds:DeleteDBInstance", "arn:db", of["dev"])
    assert not allowed(statements, "ec2:DeleteTags", "arn:vpc", of["dev"])
    images = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/shop"
    assert allowed(statements, "ecr:BatchGetImage", f"{images}-dev/orders", of["dev"])
    assert not allowed(statements, "ecr:PutImage", f"{images}-dev/orders", of["dev"])
    assert allowed(statements, "ecr:PutImage", f"{images}-staging/orders", of["staging"])
    assert not allowed(statements, "rds:CreateDBInstance", "arn:db", {"aws:RequestedRegion": "us-east-1"})


def test_images_that_an_environment_in_another_account_has_tested_are_pulled() -> None:
    image = f"arn:aws:ecr:{REGION}:999999999999:repository/shop-dev/orders"
    for statements in (deploying("staging"), previewing("staging"), statements_of("staging", "Boundary")):
        assert allowed(statements, "ecr:BatchGetImage", image, IN_REGION | {"aws:ResourceTag/Environment": "dev"})
    assert not allowed(deploying("staging"), "ecr:PutImage", image, IN_REGION)


def test_a_deployment_uses_the_keys_of_pulumi_but_does_not_manage_them() -> None:
    statements = deploying("dev")
    of_prod = IN_REGION | {"kms:ResourceAliases": "alias/shop-prod"}

    assert allowed(statements, "kms:Decrypt", key_of("dev"), IN_REGION | {"kms:ResourceAliases": "alias/shop-dev"})
    for action in ("kms:ScheduleKeyDeletion", "kms:PutKeyPolicy", "kms:DeleteAlias", "kms:CreateGrant"):
        assert not allowed(statements, action, key_of("prod"), of_prod)
        assert allowed(statements, action, key_of("x"), IN_REGION | {"kms:ResourceAliases": "alias/shop-dev-cluster"})


def test_a_deployment_changes_records_of_its_own_zone_alone_and_of_none_when_it_has_no_domain() -> None:
    own, other = "arn:aws:route53:::hostedzone/Z0123456789", "arn:aws:route53:::hostedzone/Z999"
    change = "route53:ChangeResourceRecordSets"
    without = environment("dev").properties("DeployPolicy")["PolicyDocument"]["Statement"]

    assert allowed(deploying("dev"), change, own)
    assert not allowed(deploying("dev"), change, other)
    assert not allowed(without, change, own)


def test_a_deployment_takes_the_role_of_nodes_out_of_the_profile_that_eks_has_left() -> None:
    profiles = f"arn:aws:iam::{ACCOUNT}:instance-profile"
    remove = "iam:RemoveRoleFromInstanceProfile"

    assert allowed(deploying("dev"), remove, f"{profiles}/eks-{REGION}-shop-dev-0123")
    assert not allowed(deploying("dev"), remove, f"{profiles}/bastion")


@pytest.mark.parametrize("policy", POLICIES)
def test_policies_fit_into_what_iam_takes(policy: str) -> None:
    """6,144 characters without blanks for a managed policy (IAM quotas), in the partition with the longest name."""
    document = {"Version": "2012-10-17", "Statement": statements_of("staging", policy)}
    text = json.dumps(document, separators=(",", ":")).replace("arn:aws:", "arn:aws-us-gov:")

    assert len(text) <= 6_144, "split it: a role takes ten"


@pytest.mark.parametrize("role", ["DeployRole", "PreviewRole"])
def test_policies_in_a_role_fit_into_what_iam_takes(role: str) -> None:
    """10,240 characters without blanks for all that are written into one role."""
    assert len(json.dumps(inline("staging", role), separators=(",", ":"))) < 10_000
