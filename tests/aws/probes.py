"""What somebody might try who holds the deploy role of dev, or a role that it made: against staging in the same
account, against the account, against what keeps the role small."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.aws.cloudformation import ACCOUNT, REGION, allowed
from tests.aws.roles import BUCKET, STATE_KEY, key_of, role_of

HERE = {"aws:RequestedRegion": REGION}
STAGING = HERE | {"aws:ResourceTag/Environment": "staging"}
NODE_OF_STAGING = HERE | {"aws:ResourceTag/eks:eks-cluster-name": "shop-staging"}
SECRETS_OF_STAGING = STAGING | {"kms:ResourceAliases": "alias/shop-staging"}
STATE = HERE | {"kms:ResourceAliases": "alias/shop-state"}

OWN = HERE | {"aws:ResourceTag/Environment": "dev"}
SECRETS_ALIAS = {"kms:ResourceAliases": "alias/shop-dev"}
NAMED = HERE | {"aws:ResourceTag/Name": "theirs"}
TO_EC2 = {"iam:PassedToService": "ec2.amazonaws.com"}
TO_A_FUNCTION = {"iam:PassedToService": "lambda.amazonaws.com"}


def arn(service: str, name: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{name}"


@dataclass(frozen=True, kw_only=True)
class Step:
    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=lambda: HERE)


@dataclass(frozen=True, kw_only=True)
class Probe:
    name: str
    steps: tuple[Step, ...]
    """All of them are needed."""
    is_its_own_to_do: bool = False
    """The role that deploys may: it is its work, or one of the ways that stay open (LEFT_OPEN_TO_DEPLOYMENTS)."""

    def __str__(self) -> str:
        return self.name.replace(" ", "-")

    def succeeds(self, statements: Iterable[Mapping[str, Any]]) -> bool:
        held = list(statements)
        return all(allowed(held, step.action, step.resource, dict(step.context)) for step in self.steps)


def _probe(name: str, action: str, resource: str, context: Mapping[str, str] = HERE, *, its_own: bool = False) -> Probe:
    return Probe(name=name, steps=(Step(action=action, resource=resource, context=context),), is_its_own_to_do=its_own)


_INSTANCE, _VOLUME = arn("ec2", "instance/i-0123"), arn("ec2", "volume/vol-0123")
_DATABASE, _SECRET = arn("rds", "db:orders-database-0a1b2c3"), arn("secretsmanager", "secret:rds!db-0123-AbCdEf")
_ENTRY = arn("eks", "access-entry/shop-staging/role/1/me/2")
_CLUSTER, _OWN_CLUSTER = arn("eks", "cluster/shop-staging"), arn("eks", "cluster/shop-dev")
_POOL, _TABLE = arn("cognito-idp", f"userpool/{REGION}_Abc"), arn("dynamodb", "table/notifications-table-0a1b2c3")
_TOPIC, _QUEUE = arn("sns", "orders-topic-0a1b2c3"), arn("sqs", "orders-queue-0a1b2c3")
_GROUP, _BOUNDARY = arn("logs", "log-group:/shop-staging/metrics"), f"arn:aws:iam::{ACCOUNT}:policy/shop-dev-boundary"
_PROFILE, _OPEN = f"arn:aws:iam::{ACCOUNT}:instance-profile/bastion", "ec2:AuthorizeSecurityGroupIngress"
_TARGETS = arn("elasticloadbalancing", "targetgroup/orders/0123")

PROBES: tuple[Probe, ...] = (
    # Keys and secrets.
    _probe("change the key policy of stagings secrets", "kms:PutKeyPolicy", key_of("staging"), SECRETS_OF_STAGING),
    _probe("delete the key of stagings secrets", "kms:ScheduleKeyDeletion", key_of("staging"), SECRETS_OF_STAGING),
    _probe("make a grant for the key of the state", "kms:CreateGrant", STATE_KEY, STATE),
    _probe("delete the key of the state", "kms:ScheduleKeyDeletion", STATE_KEY, STATE),
    _probe("point the name of stagings key at another", "kms:UpdateAlias", key_of("staging"), SECRETS_OF_STAGING),
    _probe("decrypt with the key of stagings databases", "kms:Decrypt", key_of("of-databases"), STAGING),
    Probe(
        name="read the master password of a database of staging",
        steps=(
            Step(action="secretsmanager:GetSecretValue", resource=_SECRET),
            Step(action="kms:Decrypt", resource=key_of("of-databases"), context=STAGING),
        ),
    ),
    _probe("read another secret of the account", "secretsmanager:GetSecretValue", arn("secretsmanager", "secret:x")),
    _probe("read parameters", "ssm:GetParameter", arn("ssm", "parameter/password")),
    # Data.
    _probe("delete a database of staging", "rds:DeleteDBInstance", _DATABASE, STAGING),
    _probe("change a database of staging", "rds:ModifyDBInstance", _DATABASE, STAGING),
    _probe("give a snapshot away", "rds:ModifyDBSnapshotAttribute", arn("rds", "snapshot:orders"), HERE),
    _probe("read a table of staging", "dynamodb:GetItem", _TABLE, STAGING),
    _probe("delete a table of staging", "dynamodb:DeleteTable", _TABLE, STAGING),
    _probe("set the password of a person of staging", "cognito-idp:AdminSetUserPassword", _POOL, STAGING),
    _probe("list the people of staging", "cognito-idp:ListUsers", _POOL, STAGING),
    _probe("read messages of staging", "sqs:ReceiveMessage", _QUEUE, STAGING),
    _probe("read messages of somebody else", "sqs:ReceiveMessage", arn("sqs", "theirs"), HERE),
    _probe("send events to staging", "sns:Publish", _TOPIC, STAGING),
    _probe("open a queue of staging to others", "sqs:SetQueueAttributes", _QUEUE, STAGING),
    _probe("open a topic of staging to others", "sns:SetTopicAttributes", _TOPIC, STAGING),
    _probe("read a bucket", "s3:GetObject", "arn:aws:s3:::somebodys/file", HERE),
    _probe("read the state of staging", "s3:GetObject", f"{BUCKET}/.pulumi/stacks/shop/staging.json", HERE),
    _probe("open the bucket of the state", "s3:PutBucketPolicy", BUCKET, HERE),
    # The cluster, nodes, network.
    _probe("give itself the cluster of staging", "eks:CreateAccessEntry", _CLUSTER, STAGING),
    _probe(
        "be an administrator of it",
        "eks:AssociateAccessPolicy",
        arn("eks", "access-entry/shop-staging/role/1/me/2"),
        STAGING,
    ),
    _probe("give itself the cluster of dev", "eks:CreateAccessEntry", _OWN_CLUSTER, HERE, its_own=True),
    _probe("have what pods of staging have", "eks-auth:AssumeRoleForPodIdentity", _CLUSTER, STAGING),
    _probe("stop nodes of staging", "ec2:TerminateInstances", _INSTANCE, NODE_OF_STAGING),
    _probe("take a disk of a node of staging", "ec2:DetachVolume", _VOLUME, NODE_OF_STAGING),
    _probe("take a disk of somebody else", "ec2:DetachVolume", _VOLUME, HERE),
    _probe("start instances in the network of staging", "ec2:RunInstances", arn("ec2", "subnet/subnet-0123"), STAGING),
    _probe("start instances elsewhere", "ec2:RunInstances", _INSTANCE, {"aws:RequestedRegion": "us-east-1"}),
    _probe("tag what is stagings as its own", "ec2:CreateTags", arn("ec2", "vpc/vpc-0123"), STAGING),
    _probe("tag what is nobodys", "sqs:TagQueue", _QUEUE, STAGING),
    _probe(
        "open the network of stagings databases",
        "ec2:AuthorizeSecurityGroupIngress",
        arn("ec2", "security-group/sg-0123"),
        STAGING,
    ),
    _probe("change the routes of staging", "ec2:ReplaceRoute", arn("ec2", "route-table/rtb-0123"), STAGING),
    _probe("run commands on an instance", "ssm:SendCommand", _INSTANCE, HERE),
    _probe("open a session on an instance", "ssm:StartSession", _INSTANCE, HERE),
    _probe("take over requests of staging", "elasticloadbalancing:RegisterTargets", _TARGETS, STAGING),
    _probe(
        "delete the load balancer of staging",
        "elasticloadbalancing:DeleteLoadBalancer",
        arn("elasticloadbalancing", "loadbalancer/app/entrance/0123"),
        STAGING,
    ),
    _probe(
        "change the gateway of staging",
        "apigateway:PATCH",
        f"arn:aws:apigateway:{REGION}::/apis/0123",
        STAGING,
    ),
    # Images.
    _probe("push an image to staging", "ecr:PutImage", arn("ecr", "repository/shop-staging/orders"), STAGING),
    _probe("delete images of staging", "ecr:BatchDeleteImage", arn("ecr", "repository/shop-staging/orders"), STAGING),
    # What watches.
    _probe("stop CloudTrail", "cloudtrail:StopLogging", arn("cloudtrail", "trail/all")),
    _probe("stop GuardDuty", "guardduty:DeleteDetector", arn("guardduty", "detector/x")),
    _probe("stop Config", "config:StopConfigurationRecorder", "*"),
    _probe("read logs of staging", "logs:GetLogEvents", f"{_GROUP}:log-stream:x", STAGING),
    _probe("delete logs of staging", "logs:DeleteLogGroup", _GROUP, STAGING),
    _probe("silence alarms of staging", "cloudwatch:DeleteAlarms", arn("cloudwatch", "alarm:orders"), STAGING),
    # Identities.
    _probe("make a user", "iam:CreateUser", f"arn:aws:iam::{ACCOUNT}:user/me"),
    _probe("make a key of a user", "iam:CreateAccessKey", f"arn:aws:iam::{ACCOUNT}:user/me"),
    _probe("make a role without a boundary", "iam:CreateRole", role_of("shop-dev-more")),
    _probe("take the boundary off", "iam:DeleteRolePermissionsBoundary", role_of("shop-dev-orders-identity-0a1b2c3")),
    _probe("change the boundary", "iam:CreatePolicyVersion", _BOUNDARY),
    _probe("change another role", "iam:UpdateAssumeRolePolicy", role_of("administrator")),
    _probe("change the role that deploys", "iam:PutRolePolicy", role_of("shop-dev-deploy")),
    _probe(
        "hand over an administrator",
        "iam:PassRole",
        role_of("administrator"),
        {"iam:PassedToService": "ec2.amazonaws.com"},
    ),
    _probe(
        "hand over the role that deploys",
        "iam:PassRole",
        role_of("shop-dev-deploy"),
        {"iam:PassedToService": "ec2.amazonaws.com"},
    ),
    _probe(
        "hand over a role of staging",
        "iam:PassRole",
        role_of("shop-staging-orders"),
        {"iam:PassedToService": "ec2.amazonaws.com"},
    ),
    _probe("take on an administrator", "sts:AssumeRole", role_of("administrator")),
    _probe("take on the role that deploys prod", "sts:AssumeRole", role_of("shop-prod-deploy")),
    _probe("hand the role of nodes to a function", "iam:PassRole", role_of("shop-dev-cluster-node-0"), TO_A_FUNCTION),
    _probe("hand over the role of stagings nodes", "iam:PassRole", role_of("shop-staging-cluster-node-0"), TO_EC2),
    _probe("put a role into the profile of somebody", "iam:AddRoleToInstanceProfile", _PROFILE),
    _probe("take a role out of the profile of somebody", "iam:RemoveRoleFromInstanceProfile", _PROFILE),
    _probe(
        "make the role of a service that is not used", "iam:CreateServiceLinkedRole", role_of("aws-service-role/x/y")
    ),
    # What carries no tag.
    _probe("decrypt the secrets of the stack", "kms:Decrypt", key_of("dev"), OWN, its_own=True),
    _probe("decrypt by the name of that key", "kms:Decrypt", key_of("x"), OWN | SECRETS_ALIAS, its_own=True),
    _probe("decrypt with somebodys key", "kms:Decrypt", key_of("theirs"), HERE, its_own=True),
    _probe("tag somebodys instance", "ec2:CreateTags", _INSTANCE, HERE, its_own=True),
    _probe(
        "tag a node of staging", "ec2:CreateTags", _INSTANCE, NODE_OF_STAGING | {"ec2:CreateAction": "RunInstances"}
    ),
    _probe("start a node as staging does", "ec2:RunInstances", arn("ec2", "launch-template/lt-0123"), NODE_OF_STAGING),
    _probe("open somebodys security group", _OPEN, arn("ec2", "security-group/sg-0"), NAMED, its_own=True),
    _probe("have what pods of an untagged cluster have", "eks-auth:AssumeRoleForPodIdentity", _CLUSTER, HERE),
    _probe("make a log group", "logs:CreateLogGroup", arn("logs", "log-group:theirs"), HERE, its_own=True),
    # The account.
    _probe("run a function", "lambda:CreateFunction", arn("lambda", "function:x")),
    _probe(
        "change the stack of its own limits",
        "cloudformation:UpdateStack",
        arn("cloudformation", "stack/shop-dev-access/1"),
    ),
    _probe("leave the organization", "organizations:LeaveOrganization", "*"),
    _probe("close the account", "account:CloseAccount", "*"),
    _probe("change another domain", "route53:ChangeResourceRecordSets", "arn:aws:route53:::hostedzone/Z999"),
)
_EKS_PROFILE_OF_STAGING = f"arn:aws:iam::{ACCOUNT}:instance-profile/eks-{REGION}-shop-staging-0123"

LEFT_OPEN: tuple[Probe, ...] = (
    _probe("seeing which instances there are", "ec2:DescribeInstances", "*"),
    _probe("starting instances in a network without tags", "ec2:RunInstances", arn("ec2", "subnet/subnet-0123")),
    _probe("registering targets in a group without tags", "elasticloadbalancing:RegisterTargets", _TARGETS),
    _probe(
        "putting its role into the profile of another cluster", "iam:AddRoleToInstanceProfile", _EKS_PROFILE_OF_STAGING
    ),
    _probe(
        "signing in to a database of staging, if it is reached", "rds-db:connect", arn("rds-db", "dbuser:db-ABC/orders")
    ),
    _probe("writing metrics under any name", "cloudwatch:PutMetricData", "*"),
    _probe("writing traces of anybody", "xray:PutTraceSegments", "*"),
    _probe("writing into logs without tags", "logs:PutLogEvents", arn("logs", "log-group:theirs:log-stream:x")),
    _probe("pulling images of staging", "ecr:BatchGetImage", arn("ecr", "repository/shop-staging/orders"), STAGING),
)
LEFT_OPEN_TO_DEPLOYMENTS: tuple[Probe, ...] = (
    _probe("deleting a database without tags", "rds:DeleteDBInstance", arn("rds", "db:theirs")),
    _probe("deleting a network without tags", "ec2:DeleteVpc", arn("ec2", "vpc/vpc-0123")),
    _probe("changing the policy of a key without tags", "kms:PutKeyPolicy", key_of("theirs")),
    _probe(
        "taking the role out of the profile of another cluster",
        "iam:RemoveRoleFromInstanceProfile",
        _EKS_PROFILE_OF_STAGING,
    ),
    _probe("changing a gateway without tags", "apigateway:PATCH", f"arn:aws:apigateway:{REGION}::/apis/0123"),
)
"""`pulumi up` changes things that have no name before they are there: what has no tags is nobody's, to IAM."""
