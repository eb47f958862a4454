"""Who the pods of a service are on AWS, and what they may do."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from infra.aws.workload_identity import WorkloadIdentity, WorkloadIdentityArgs
from infra.capabilities.database.aws import connect_as, read_secret
from infra.capabilities.messages.aws import consume_from, publish_to
from infra.capabilities.people.aws import administer_people
from infra.capabilities.table.aws import use_table
from infra.contract import Statement
from plans.planned import Plan, plan
from tests.aws.environments import DEV

PLACE = "eu-central-1:123456789012"
CLUSTER = f"arn:aws:eks:{PLACE}:cluster/shop-dev"
KEY = f"arn:aws:kms:{PLACE}:key/1"
TOPIC, QUEUE = f"arn:aws:sns:{PLACE}:orders", f"arn:aws:sqs:{PLACE}:orders"
TABLE, POOL = f"arn:aws:dynamodb:{PLACE}:table/orders", f"arn:aws:cognito-idp:{PLACE}:userpool/eu-central-1_1"
SECRET = f"arn:aws:secretsmanager:{PLACE}:secret:rds!db-1-AbCdEf"
TAGS = {"Service": "orders"}

KINDS: dict[str, list[dict[str, Any]]] = {
    "publish": [{"Effect": "Allow", "Action": ["sns:Publish"], "Resource": [TOPIC]}],
    "consume": [
        {
            "Effect": "Allow",
            "Action": ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:ReceiveMessage"],
            "Resource": [QUEUE],
        }
    ],
    "table": [
        {
            "Effect": "Allow",
            "Action": [
                "dynamodb:BatchGetItem",
                "dynamodb:BatchWriteItem",
                "dynamodb:ConditionCheckItem",
                "dynamodb:DeleteItem",
                "dynamodb:GetItem",
                "dynamodb:PutItem",
                "dynamodb:Query",
                "dynamodb:UpdateItem",
            ],
            "Resource": [TABLE],
        },
        {
            "Effect": "Allow",
            "Action": [
                "kms:Decrypt",
                "kms:DescribeKey",
                "kms:Encrypt",
                "kms:GenerateDataKey",
                "kms:GenerateDataKeyWithoutPlaintext",
                "kms:ReEncryptFrom",
                "kms:ReEncryptTo",
            ],
            "Resource": [KEY],
            "Condition": {"StringEquals": {"kms:ViaService": "dynamodb.eu-central-1.amazonaws.com"}},
        },
    ],
    "database": [
        {
            "Effect": "Allow",
            "Action": ["rds-db:connect"],
            "Resource": [f"arn:aws:rds-db:{PLACE}:dbuser:db-ABC/orders"],
        }
    ],
    "people": [
        {
            "Effect": "Allow",
            "Action": [
                "cognito-idp:AdminCreateUser",
                "cognito-idp:AdminDeleteUser",
                "cognito-idp:AdminGetUser",
                "cognito-idp:AdminInitiateAuth",
                "cognito-idp:AdminSetUserPassword",
            ],
            "Resource": [POOL],
        }
    ],
    "secret": [
        {"Effect": "Allow", "Action": ["secretsmanager:GetSecretValue"], "Resource": [SECRET]},
        {
            "Effect": "Allow",
            "Action": ["kms:Decrypt"],
            "Resource": [KEY],
            "Condition": {
                "StringEquals": {
                    "kms:EncryptionContext:SecretARN": SECRET,
                    "kms:ViaService": "secretsmanager.eu-central-1.amazonaws.com",
                }
            },
        },
    ],
}


def statements(kind: str) -> list[Statement]:
    match kind:
        case "publish":
            return publish_to(TOPIC)
        case "consume":
            return consume_from(QUEUE)
        case "table":
            return use_table(TABLE, KEY)
        case "database":
            return connect_as("orders", DEV, "db-ABC")
        case "people":
            return administer_people(POOL)
        case "secret":
            return read_secret(SECRET, KEY)
    raise LookupError(kind)


def identity(made: Sequence[str]) -> Plan:
    def program() -> None:
        args = WorkloadIdentityArgs(
            environment=DEV,
            cluster_name="shop-dev",
            namespace="shop",
            service_account="orders",
            statements=[statement for kind in made for statement in statements(kind)],
            service="orders",
        )
        WorkloadIdentity("orders-identity", args)

    return plan(program)


def allowed(recorded: Plan) -> list[dict[str, Any]]:
    document = json.loads(recorded.one(":RolePolicy").inputs["policy"])
    assert document["Version"] == "2012-10-17"
    return list(document["Statement"])


def test_an_identity_is_a_role_its_policy_and_the_service_account_that_has_it() -> None:
    recorded = identity(["publish"])

    assert recorded.registered() == {
        ("shop:aws:WorkloadIdentity", "orders-identity"),
        ("aws:iam/role:Role", "orders-identity"),
        ("aws:iam/rolePolicy:RolePolicy", "orders-identity"),
        ("aws:eks/podIdentityAssociation:PodIdentityAssociation", "orders-identity"),
    }
    assert recorded.one(":PodIdentityAssociation").inputs == {
        "clusterName": "shop-dev",
        "namespace": "shop",
        "roleArn": "arn:aws:iam::123456789012:role/orders-identity",
        "serviceAccount": "orders",
        "tags": TAGS,
    }
    assert recorded.one(":RolePolicy").inputs["role"] == "orders-identity"
    assert recorded.one("iam/role:Role").inputs["tags"] == TAGS


def test_only_its_service_account_in_its_cluster_has_the_role() -> None:
    assert json.loads(identity([]).one("iam/role:Role").inputs["assumeRolePolicy"]) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "pods.eks.amazonaws.com"},
                "Action": ["sts:AssumeRole", "sts:TagSession"],
                "Condition": {
                    "StringEquals": {
                        "aws:SourceAccount": "123456789012",
                        "aws:RequestTag/eks-cluster-arn": CLUSTER,
                        "aws:RequestTag/kubernetes-namespace": "shop",
                        "aws:RequestTag/kubernetes-service-account": "orders",
                    }
                },
            }
        ],
    }


def test_an_identity_that_may_do_nothing_has_no_policy() -> None:
    assert identity([]).of_type(":RolePolicy") == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_of_statement_allows_exactly_this(kind: str) -> None:
    assert allowed(identity([kind])) == KINDS[kind]


def test_statements_add_up_in_their_order() -> None:
    assert allowed(identity(list(KINDS))) == [each for kind in KINDS.values() for each in kind]


def test_no_statement_has_a_wildcard() -> None:
    everything = allowed(identity(list(KINDS)))

    assert [text for each in everything for text in (*each["Action"], *each["Resource"]) if "*" in text] == []
    assert {key for each in everything for key in each} == {"Effect", "Action", "Resource", "Condition"}


@pytest.mark.parametrize(
    ("actions", "resources", "named"),
    [
        (["sns:*"], [TOPIC], "sns:*"),
        (["sns:Publis?"], [TOPIC], "sns:Publis?"),
        (["sns:Publish"], ["*"], "*"),
        (["sns:Publish"], [f"{TOPIC}*"], f"{TOPIC}*"),
    ],
)
def test_a_wildcard_is_refused(actions: list[str], resources: list[str], named: str) -> None:
    with pytest.raises(ValueError, match="without wildcards; not ") as refused:
        Statement(actions=actions, resources=resources)

    assert str(refused.value).endswith(f"not {named}")


@pytest.mark.parametrize(("actions", "resources"), [([], [TOPIC]), (["sns:Publish"], [])])
def test_a_statement_about_nothing_is_refused(actions: list[str], resources: list[str]) -> None:
    with pytest.raises(ValueError, match="at least one action and one resource"):
        Statement(actions=actions, resources=resources)
