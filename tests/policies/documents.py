"""Policy documents of IAM, and what carries them."""

import json
from typing import Any

from infra.policies.model import Resource
from tests.policies.cases import REMOVED, but, resource

ROLE, ROLE_POLICY = "aws:iam/role:Role", "aws:iam/rolePolicy:RolePolicy"
QUEUE_POLICY, TOPIC_POLICY = "aws:sqs/queuePolicy:QueuePolicy", "aws:sns/topicPolicy:TopicPolicy"

OF_IDENTITIES = (
    "aws:iam/policy:Policy",
    ROLE_POLICY,
    "aws:iam/userPolicy:UserPolicy",
    "aws:iam/groupPolicy:GroupPolicy",
)
CALLED_BY_SERVICES = (
    "aws:sqs/queue:Queue",
    QUEUE_POLICY,
    "aws:sns/topic:Topic",
    TOPIC_POLICY,
    "aws:s3/bucketPolicy:BucketPolicy",
)
OF_RESOURCES = (
    *CALLED_BY_SERVICES,
    "aws:s3/bucket:Bucket",
    "aws:ecr/repositoryPolicy:RepositoryPolicy",
    "aws:secretsmanager/secretPolicy:SecretPolicy",
)
OF_KEYS = ("aws:kms/key:Key", "aws:kms/keyPolicy:KeyPolicy")

ACCOUNT = "arn:aws:iam::123456789012:root"
TABLE = "arn:aws:dynamodb:eu-central-1:123456789012:table/orders"

use = {"Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:PutItem"], "Resource": TABLE}
deliver = {
    "Effect": "Allow",
    "Principal": {"Service": "sns.amazonaws.com"},
    "Action": "sqs:SendMessage",
    "Resource": "arn:aws:sqs:eu-central-1:123456789012:orders",
    "Condition": {"ArnEquals": {"aws:SourceArn": "arn:aws:sns:eu-central-1:123456789012:users"}},
}
everybody = but(deliver, Principal="*", Condition=REMOVED)
root = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "kms:*", "Resource": "*"}
deny = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "sqs:*",
    "Resource": "*",
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


def policy(kind: str, *statements: dict[str, Any], prop: str = "policy") -> Resource:
    return resource(kind, {prop: json.dumps({"Version": "2012-10-17", "Statement": list(statements)})})
