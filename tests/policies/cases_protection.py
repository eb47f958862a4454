"""What is lost stays lost."""

import json

from infra.policies.model import Resource
from tests.policies.cases import REMOVED, but, other, passes, resource, violates

DATABASE, TABLE, POOL = "aws:rds/instance:Instance", "aws:dynamodb/table:Table", "aws:cognito/userPool:UserPool"
CLUSTER, BALANCER = "aws:eks/cluster:Cluster", "aws:lb/loadBalancer:LoadBalancer"
REPOSITORY, QUEUE, AWS = "aws:ecr/repository:Repository", "aws:sqs/queue:Queue", "pulumi:providers:aws"

protected_database = {
    "deletionProtection": True,
    "multiAz": True,
    "skipFinalSnapshot": False,
    "finalSnapshotIdentifier": "orders-final",
    "backupRetentionPeriod": 7,
}
protected_table = {"deletionProtectionEnabled": True, "pointInTimeRecovery": {"enabled": True}}
scanned = {"imageScanningConfiguration": {"scanOnPush": True}, "imageTagMutability": "IMMUTABLE"}
dead = resource(QUEUE, {}, "dead")
redrive = {"deadLetterTargetArn": "arn:aws:sqs:eu-central-1:123456789012:dead", "maxReceiveCount": 5}
orders = resource(QUEUE, {"redrivePolicy": json.dumps(redrive)}, "orders", needs=(dead,))
given = {"Project": "shop", "Environment": "dev", "ManagedBy": "pulumi"}
without_dead = ("it has none, and no other queue sets its messages aside here",)

CASES = [
    passes("database-protected", "all of it in prod", resource(DATABASE, protected_database), stack="prod"),
    passes("database-protected", "a cheap one in dev", resource(DATABASE, {"skipFinalSnapshot": True})),
    violates(
        "database-protected",
        "a cheap one in prod",
        resource(DATABASE, {"skipFinalSnapshot": True}),
        finds=(
            "deletionProtection is not true",
            "multiAz is not true",
            "skipFinalSnapshot is true",
            "backupRetentionPeriod is None",
        ),
        stack="prod",
    ),
    violates(
        "database-protected",
        "six days of backups, and a snapshot without a name",
        resource(DATABASE, but(protected_database, backupRetentionPeriod=6, finalSnapshotIdentifier=REMOVED)),
        finds=(
            "finalSnapshotIdentifier is missing: it could not be deleted, and nobody would know why",
            "backupRetentionPeriod is 6",
        ),
        stack="prod",
    ),
    other("database-protected", "its subnets", resource("aws:rds/subnetGroup:SubnetGroup", {}), stack="prod"),
    passes("table-protected", "all of it in prod", resource(TABLE, protected_table), stack="prod"),
    passes("table-protected", "a cheap one in staging", resource(TABLE, {}), stack="staging"),
    violates(
        "table-protected",
        "a cheap one in prod",
        resource(TABLE, {}),
        finds=("deletionProtectionEnabled is not true", "pointInTimeRecovery is not enabled"),
        stack="prod",
    ),
    other("table-protected", "an item of it", resource("aws:dynamodb/tableItem:TableItem", {}), stack="prod"),
    passes("people-protected", "kept in prod", resource(POOL, {"deletionProtection": "ACTIVE"}), stack="prod"),
    passes("people-protected", "not kept in dev", resource(POOL, {})),
    violates(
        "people-protected",
        "not kept in prod",
        resource(POOL, {"deletionProtection": "INACTIVE"}),
        finds=("deletionProtection is not ACTIVE",),
        stack="prod",
    ),
    other("people-protected", "a client", resource("aws:cognito/userPoolClient:UserPoolClient", {}), stack="prod"),
    passes("cluster-protected", "kept in prod", resource(CLUSTER, {"deletionProtection": True}), stack="prod"),
    passes("cluster-protected", "not kept in dev", resource(CLUSTER, {})),
    violates(
        "cluster-protected",
        "not kept in prod",
        resource(CLUSTER, {}),
        finds=("deletionProtection is not true",),
        stack="prod",
    ),
    other("cluster-protected", "an add-on", resource("aws:eks/addon:Addon", {}), stack="prod"),
    passes(
        "load-balancer-protected", "kept in prod", resource(BALANCER, {"enableDeletionProtection": True}), stack="prod"
    ),
    passes("load-balancer-protected", "not kept in dev", resource(BALANCER, {})),
    *(
        violates(
            "load-balancer-protected",
            f"{kind} not kept in prod",
            resource(kind, {"enableDeletionProtection": False}),
            finds=("enableDeletionProtection is not true",),
            stack="prod",
        )
        for kind in (BALANCER, "aws:alb/loadBalancer:LoadBalancer")
    ),
    other("load-balancer-protected", "a listener", resource("aws:lb/listener:Listener", {}), stack="prod"),
    passes("images-protected", "kept in prod", resource(REPOSITORY, scanned), stack="prod"),
    passes("images-protected", "not kept in dev", resource(REPOSITORY, {"forceDelete": True})),
    violates(
        "images-protected",
        "not kept in prod",
        resource(REPOSITORY, {"forceDelete": True}),
        finds=("forceDelete is true",),
        stack="prod",
    ),
    other("images-protected", "which images go", resource("aws:ecr/lifecyclePolicy:LifecyclePolicy", {}), stack="prod"),
    passes("images-scanned", "every tag is for ever", resource(REPOSITORY, scanned)),
    passes(
        "images-scanned",
        "every tag but the cache",
        resource(REPOSITORY, but(scanned, imageTagMutability="IMMUTABLE_WITH_EXCLUSION")),
    ),
    violates(
        "images-scanned",
        "nothing said",
        resource(REPOSITORY, {}),
        finds=("scanOnPush is not true", "imageTagMutability is not IMMUTABLE"),
    ),
    other("images-scanned", "a policy of it", resource("aws:ecr/repositoryPolicy:RepositoryPolicy", {})),
    passes("password-managed", "by AWS", resource(DATABASE, {"manageMasterUserPassword": True})),
    violates(
        "password-managed",
        "by us",
        resource(DATABASE, {"password": "hunter2"}),
        finds=("password is set",),
    ),
    violates(
        "password-managed",
        "by nobody",
        resource("aws:rds/cluster:Cluster", {}),
        finds=("manageMasterUserPassword is not true",),
    ),
    other("password-managed", "a proxy", resource("aws:rds/proxy:Proxy", {})),
    passes("dead-letter-queue", "a queue and its dead-letter queue", orders, dead),
    passes(
        "dead-letter-queue",
        "a dead-letter queue that says so",
        resource(QUEUE, {"redriveAllowPolicy": json.dumps({"redrivePermission": "byQueue"})}),
    ),
    passes(
        "dead-letter-queue",
        "a policy of its own",
        dead,
        resource("aws:sqs/redrivePolicy:RedrivePolicy", {"redrivePolicy": json.dumps(redrive)}, needs=(dead,)),
    ),
    violates("dead-letter-queue", "a queue without", resource(QUEUE, {"name": "orders"}), finds=without_dead),
    violates(
        "dead-letter-queue",
        "a queue without, beside one that has it",
        orders,
        dead,
        resource(QUEUE, {}, "users"),
        finds=without_dead,
    ),
    *(
        violates(
            "dead-letter-queue",
            f"one that is never used: {wrong}",
            resource(QUEUE, {"redrivePolicy": json.dumps(but(redrive, **wrong))}, needs=(dead,)),
            dead,
            finds=("its redrivePolicy does not say where to, or after how many deliveries",),
        )
        for wrong in ({"maxReceiveCount": 0}, {"maxReceiveCount": None}, {"deadLetterTargetArn": ""})
    ),
    other("dead-letter-queue", "a topic", resource("aws:sns/topic:Topic", {})),
    passes("required-tags", "all three", resource(AWS, {"defaultTags": json.dumps({"tags": given})})),
    violates(
        "required-tags",
        "one of three",
        resource(AWS, {"defaultTags": {"tags": {"Project": "shop"}}}),
        finds=("its defaultTags have no Environment", "its defaultTags have no ManagedBy"),
    ),
    violates(
        "required-tags",
        "no tags",
        resource(AWS, {"region": "eu-central-1"}),
        finds=(
            "its defaultTags have no Project",
            "its defaultTags have no Environment",
            "its defaultTags have no ManagedBy",
        ),
    ),
    other("required-tags", "another provider", resource("pulumi:providers:kubernetes", {})),
    passes("named-provider", "a provider", resource(QUEUE, {})),
    violates(
        "named-provider",
        "whichever provider there is",
        Resource(type=QUEUE, name="it", props={}),
        finds=("no provider was named for it",),
    ),
    other("named-provider", "a component", Resource(type="shop:aws:Queue", name="it", props={})),
]
