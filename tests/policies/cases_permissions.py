"""What may be done is said exactly."""

import json

from infra.policies.model import Resource
from tests.policies.cases import REMOVED, but, other, passes, resource, violates
from tests.policies.documents import (
    ACCOUNT,
    OF_IDENTITIES,
    OF_KEYS,
    OF_RESOURCES,
    QUEUE_POLICY,
    ROLE,
    ROLE_POLICY,
    TABLE,
    deliver,
    deny,
    everybody,
    policy,
    root,
    use,
)

ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
RBAC = "kubernetes:rbac.authorization.k8s.io/v1:"
CLUSTER_ROLE, BINDING = RBAC + "ClusterRole", RBAC + "ClusterRoleBinding"

reads = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}

WIDE = (  # every resource of an account, or of a kind
    TABLE.replace("orders", "*"),
    TABLE.replace("table/orders", "*"),
    "arn:aws:rds-db:eu-central-1:123456789012:dbuser:*/orders",
    "arn:aws:logs:eu-central-1:123456789012:log-group:*:*",
    "arn:aws:s3:::*",
)
NARROW = (  # within one resource, or of a name of one's own
    TABLE + "/index/*",
    TABLE + "*",
    "arn:aws:logs:eu-central-1:123456789012:log-group:/shop/dev:*",
    "arn:aws:s3:::shop-dev/*",
)
WITHOUT_RESOURCE = (
    "cloudwatch:PutMetricData",
    "ec2:DescribeAvailabilityZones",
    "ecr:GetAuthorizationToken",
    "logs:DescribeLogGroups",
    "sts:GetCallerIdentity",
    "xray:GetSamplingRules",
    "xray:GetSamplingStatisticSummaries",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
)


def on(arn: str, action: str = "dynamodb:GetItem") -> Resource:
    return policy(ROLE_POLICY, but(use, Action=action, Resource=arn))


CASES = [
    *(
        violates("no-wildcard-action", kind, policy(kind, but(use, Action="*")), finds=("policy allows *",))
        for kind in (*OF_IDENTITIES, *OF_RESOURCES)
    ),
    *(
        violates(
            "no-wildcard-action", kind, policy(kind, but(everybody, Action="kms:*")), finds=("policy allows kms:*",)
        )
        for kind in OF_KEYS
    ),
    *(passes("no-wildcard-action", f"the root of {kind}", policy(kind, root)) for kind in OF_KEYS),
    violates(
        "no-wildcard-action",
        "logs",
        policy("aws:cloudwatch/logResourcePolicy:LogResourcePolicy", but(deliver, Action="*"), prop="policyDocument"),
        finds=("policyDocument allows *",),
    ),
    passes("no-wildcard-action", "actions by name", policy(ROLE_POLICY, use)),
    passes("no-wildcard-action", "everything, denied", policy(QUEUE_POLICY, deliver, deny)),
    violates(
        "no-wildcard-action",
        "everything",
        policy("aws:iam/policy:Policy", but(use, Action="*")),
        finds=("policy allows *",),
    ),
    violates(
        "no-wildcard-action",
        "everything of a service, in one statement of two",
        policy(ROLE_POLICY, use, but(use, Action=["sqs:SendMessage", "sqs:*"])),
        finds=("policy allows sqs:*",),
    ),
    violates(
        "no-wildcard-action",
        "everything but something",
        policy(ROLE_POLICY, but(use, Action=REMOVED, NotAction="iam:*")),
        finds=("policy allows everything but iam:*",),
    ),
    violates(
        "no-wildcard-action",
        "inside of a role",
        resource(ROLE, {"inlinePolicies": [{"policy": json.dumps({"Statement": but(use, Action="dynamodb:*")})}]}),
        finds=("inlinePolicies allows dynamodb:*",),
    ),
    violates(
        "no-wildcard-action",
        "a key for somebody other than the root",
        policy("aws:kms/key:Key", but(root, Principal={"AWS": ACCOUNT.replace("root", "role/ci")})),
        finds=("policy allows kms:*",),
    ),
    other(
        "no-wildcard-action", "a binding", policy("kubernetes:rbac.authorization.k8s.io/v1:Role", but(use, Action="*"))
    ),
    *(
        violates(
            "no-wildcard-resource",
            kind,
            policy(kind, but(use, Action="dynamodb:GetItem", Resource="*")),
            finds=("policy allows dynamodb:GetItem on *",),
        )
        for kind in (*OF_IDENTITIES, *OF_RESOURCES)
    ),
    violates(
        "no-wildcard-resource",
        "inside of a role",
        resource(
            ROLE, {"inlinePolicies": [{"policy": json.dumps({"Statement": but(use, Action="a:B", Resource="*")})}]}
        ),
        finds=("inlinePolicies allows a:B on *",),
    ),
    *(passes("no-wildcard-resource", action, on("*", action)) for action in WITHOUT_RESOURCE),
    passes("no-wildcard-resource", "one table", policy(ROLE_POLICY, use)),
    passes("no-wildcard-resource", "what is no ARN", on("execute-api:/*")),
    *(passes("no-wildcard-resource", arn, on(arn)) for arn in NARROW),
    violates(
        "no-wildcard-resource",
        "every table",
        policy(ROLE_POLICY, but(use, Resource="*")),
        finds=("policy allows dynamodb:GetItem on *", "policy allows dynamodb:PutItem on *"),
    ),
    violates(
        "no-wildcard-resource",
        "an action that does know a resource, beside one that does not",
        on("*", "xray:PutResourcePolicy"),
        finds=("policy allows xray:PutResourcePolicy on *",),
    ),
    violates(
        "no-wildcard-resource",
        "everything but something",
        policy(ROLE_POLICY, but(use, Resource=REMOVED, NotResource=TABLE)),
        finds=(f"policy allows something on everything but {TABLE}",),
    ),
    *(
        violates("no-wildcard-resource", arn, on(arn), finds=(f"policy allows dynamodb:GetItem on {arn}",))
        for arn in WIDE
    ),
    other("no-wildcard-resource", "in the policy of a key, `*` is the key", policy("aws:kms/key:Key", root)),
    passes(
        "no-broad-managed-policy",
        "what a node needs",
        resource(ATTACHMENT, {"policyArn": "arn:aws:iam::aws:policy/AmazonEKSWorkerNodeMinimalPolicy"}),
    ),
    passes(
        "no-broad-managed-policy",
        "one of our own",
        resource(ATTACHMENT, {"policyArn": "arn:aws:iam::123456789012:policy/OrdersFullAccess"}),
    ),
    *(
        violates(
            "no-broad-managed-policy",
            f"{name} by {kind}",
            resource(kind, {"policyArn": f"arn:aws:iam::aws:policy/{name}"}),
            finds=(f"{name} is attached",),
        )
        for name in ("AdministratorAccess", "AdministratorAccess-Amplify", "PowerUserAccess", "IAMFullAccess")
        for kind in (ATTACHMENT, "aws:iam/policyAttachment:PolicyAttachment")
    ),
    violates(
        "no-broad-managed-policy",
        "every queue",
        resource(ROLE, {"managedPolicyArns": ["arn:aws:iam::aws:policy/AmazonSQSFullAccess"]}),
        finds=("AmazonSQSFullAccess is attached",),
    ),
    other(
        "no-broad-managed-policy",
        "an administrator of a cluster",
        resource("aws:eks/accessPolicyAssociation:AccessPolicyAssociation", {"policyArn": "arn:aws:eks::aws:..."}),
    ),
    passes("no-wildcard-in-cluster", "what is read", resource(CLUSTER_ROLE, {"rules": [reads]})),
    passes("no-wildcard-in-cluster", "a role of our own", resource(BINDING, {"roleRef": {"name": "collector"}})),
    violates(
        "no-wildcard-in-cluster",
        "everything",
        resource(CLUSTER_ROLE, {"rules": [reads, {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}),
        finds=tuple(f"it allows every one of {part}" for part in ("apiGroups", "resources", "verbs")),
    ),
    violates(
        "no-wildcard-in-cluster",
        "everything with pods, in a namespace",
        resource(RBAC + "Role", {"rules": [but(reads, verbs=["*"])]}),
        finds=("it allows every one of verbs",),
    ),
    *(
        violates(
            "no-wildcard-in-cluster",
            f"an administrator by {kind}",
            resource(kind, {"roleRef": {"name": "cluster-admin"}}),
            finds=("it makes somebody cluster-admin",),
        )
        for kind in (BINDING, RBAC + "RoleBinding")
    ),
    other("no-wildcard-in-cluster", "an account", resource("kubernetes:core/v1:ServiceAccount", {})),
]
