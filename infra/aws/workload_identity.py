"""What the pods of a service may do on AWS: a role through EKS Pod Identity, with statements that name everything.

The helpers return lists, to be added up: `publish_to(topic) + consume_from(queue)`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_aws as aws
from pulumi import ResourceOptions

from infra.aws import tags


@dataclass(frozen=True, kw_only=True)
class Statement:
    """Allows actions on resources. No wildcard: neither in an action nor as a resource.

    Raises:
        ValueError: for one that has a wildcard, or nothing to allow. An Output cannot be looked into here.
    """

    actions: Sequence[str]
    resources: Sequence[pulumi.Input[str]]
    conditions: Mapping[str, Mapping[str, pulumi.Input[str]]] = field(default_factory=dict)
    """Operator -> key -> value, such as StringEquals -> kms:ViaService -> sqs.eu-central-1.amazonaws.com."""

    def __post_init__(self) -> None:
        named = [*self.actions, *(resource for resource in self.resources if isinstance(resource, str))]
        wild = [each for each in named if "*" in each or "?" in each]
        if wild:
            raise ValueError(f"a statement names what it allows, without wildcards; not {', '.join(wild)}")
        if not self.actions or not self.resources:
            raise ValueError("a statement has at least one action and one resource")

    def document(self) -> dict[str, Any]:
        """As it stands in a policy."""
        conditions = {operator: dict(keys) for operator, keys in self.conditions.items()}
        allowed = {"Effect": "Allow", "Action": list(self.actions), "Resource": list(self.resources)}
        return {**allowed, "Condition": conditions} if conditions else allowed


def publish_to(topic_arn: pulumi.Input[str]) -> list[Statement]:
    """PublishBatch is allowed by the same action."""
    return [Statement(actions=["sns:Publish"], resources=[topic_arn])]


def consume_from(queue_arn: pulumi.Input[str]) -> list[Statement]:
    """The batch calls are allowed by the same actions."""
    actions = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:ReceiveMessage"]
    return [Statement(actions=actions, resources=[queue_arn])]


def use_table(table_arn: pulumi.Input[str], kms_key_arn: pulumi.Input[str]) -> list[Statement]:
    """Items, in transactions and batches as well, but no scan and nothing of the table itself.

    DynamoDB uses a customer's key in the name of whoever calls it, so the caller needs the key, through DynamoDB only
    (Amazon DynamoDB developer guide, Managing encrypted tables: authorizing use of your customer managed key).
    """
    items = [
        "dynamodb:BatchGetItem",
        "dynamodb:BatchWriteItem",
        "dynamodb:ConditionCheckItem",
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
    ]
    key = [
        "kms:Decrypt",
        "kms:DescribeKey",
        "kms:Encrypt",
        "kms:GenerateDataKey",
        "kms:GenerateDataKeyWithoutPlaintext",
        "kms:ReEncryptFrom",
        "kms:ReEncryptTo",
    ]
    through = {"StringEquals": {"kms:ViaService": _endpoint("dynamodb", table_arn)}}
    return [
        Statement(actions=items, resources=[table_arn]),
        Statement(actions=key, resources=[kms_key_arn], conditions=through),
    ]


def connect_to_database(*, region: str, account: str, resource_id: pulumi.Input[str], user: str) -> list[Statement]:
    """As this user of the instance. It is the instance's resource id that is meant, not its identifier."""
    arn = pulumi.Output.concat("arn:aws:rds-db:", region, ":", account, ":dbuser:", resource_id, "/", user)
    return [Statement(actions=["rds-db:connect"], resources=[arn])]


def administer_people(pool_arn: pulumi.Input[str]) -> list[Statement]:
    """To make people in a user pool: the calls of services/users/users/identities.py."""
    actions = [
        "cognito-idp:AdminCreateUser",
        "cognito-idp:AdminDeleteUser",
        "cognito-idp:AdminGetUser",
        "cognito-idp:AdminInitiateAuth",
        "cognito-idp:AdminSetUserPassword",
    ]
    return [Statement(actions=actions, resources=[pool_arn])]


def read_secret(secret_arn: pulumi.Input[str], kms_key_arn: pulumi.Input[str]) -> list[Statement]:
    """A secret that is encrypted by a customer's key; the key for this secret alone, through Secrets Manager."""
    only = {
        "StringEquals": {
            "kms:EncryptionContext:SecretARN": secret_arn,
            "kms:ViaService": _endpoint("secretsmanager", secret_arn),
        }
    }
    return [
        Statement(actions=["secretsmanager:GetSecretValue"], resources=[secret_arn]),
        Statement(actions=["kms:Decrypt"], resources=[kms_key_arn], conditions=only),
    ]


def _endpoint(service: str, arn: pulumi.Input[str]) -> pulumi.Output[str]:
    """The service as a key's policy knows it, in the region of this ARN."""
    return pulumi.Output.from_input(arn).apply(lambda text: f"{service}.{text.split(':')[3]}.amazonaws.com")


@dataclass(frozen=True, kw_only=True)
class WorkloadIdentityArgs:
    cluster_name: pulumi.Input[str]
    cluster_arn: pulumi.Input[str]
    namespace: pulumi.Input[str]
    service_account: str
    statements: Sequence[Statement]
    account: str
    service: str
    permissions_boundary_arn: pulumi.Input[str] | None
    """The limit of what roles may do (infra/environment.yaml)."""


class WorkloadIdentity(pulumi.ComponentResource):
    """A role that the pods of one service account in one cluster have, and nothing else can take.

    Pods that start before it is all there have no credentials, and get none later: they depend on it.
    """

    role_arn: pulumi.Output[str]
    role_name: pulumi.Output[str]

    def __init__(self, name: str, args: WorkloadIdentityArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("shop:aws:WorkloadIdentity", name, None, opts)
        service_tags = tags.of_service(args.service)
        role = aws.iam.Role(
            name,
            assume_role_policy=trust_of_pods(args.account, args.cluster_arn, args.namespace, args.service_account),
            permissions_boundary=args.permissions_boundary_arn,
            tags=service_tags,
            opts=ResourceOptions(parent=self),
        )
        if args.statements:
            document = {"Version": "2012-10-17", "Statement": [each.document() for each in args.statements]}
            aws.iam.RolePolicy(
                name, role=role.name, policy=pulumi.Output.json_dumps(document), opts=ResourceOptions(parent=self)
            )
        aws.eks.PodIdentityAssociation(
            name,
            cluster_name=args.cluster_name,
            namespace=args.namespace,
            service_account=args.service_account,
            role_arn=role.arn,
            tags=service_tags,
            opts=ResourceOptions(parent=self),
        )
        self.role_arn, self.role_name = role.arn, role.name
        self.register_outputs({"role_arn": self.role_arn, "role_name": self.role_name})


def trust_of_pods(
    account: str,
    cluster_arn: pulumi.Input[str],
    namespace: pulumi.Input[str],
    service_account: str,
) -> pulumi.Output[str]:
    """Lets the pods of one service account in one cluster take on a role: JSON of a trust policy.

    Pod Identity says whose credentials it asks for in tags of its request (EKS user guide, pod-id-role).
    """
    tagged = {
        "aws:SourceAccount": account,
        "aws:RequestTag/eks-cluster-arn": cluster_arn,
        "aws:RequestTag/kubernetes-namespace": namespace,
        "aws:RequestTag/kubernetes-service-account": service_account,
    }
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "pods.eks.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Condition": {"StringEquals": tagged},
    }
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": [statement]})
