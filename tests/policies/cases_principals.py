"""Who may do it is said exactly."""

from typing import Any

from infra.policies.model import Resource
from tests.policies.cases import REMOVED, but, other, passes, resource, violates
from tests.policies.documents import (
    ACCOUNT,
    CALLED_BY_SERVICES,
    OF_KEYS,
    OF_RESOURCES,
    QUEUE_POLICY,
    ROLE,
    ROLE_POLICY,
    TOPIC_POLICY,
    deliver,
    deny,
    everybody,
    policy,
    root,
    use,
)

CLUSTER = "arn:aws:eks:eu-central-1:123456789012:cluster/shop-dev"

anybody_of_the_account = but(deliver, Principal="*", Condition={"StringEquals": {"AWS:sourceAccount": "123456789012"}})
cluster = {"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"}, "Action": "sts:AssumeRole"}
pods = {
    "Effect": "Allow",
    "Principal": {"Service": "pods.eks.amazonaws.com"},
    "Action": ["sts:AssumeRole", "sts:TagSession"],
    "Condition": {
        "StringEquals": {"aws:SourceAccount": "123456789012"},
        "ArnEquals": {"aws:SourceArn": CLUSTER},
    },
}
BOUNDS = (
    "aws:PrincipalAccount",
    "aws:PrincipalArn",
    "aws:PrincipalOrgID",
    "aws:PrincipalOrgPaths",
    "aws:SourceAccount",
    "aws:SourceArn",
    "aws:SourceOrgID",
    "aws:SourceVpc",
    "aws:SourceVpce",
    "kms:CallerAccount",
)


def trust(*statements: dict[str, Any]) -> Resource:
    return policy(ROLE, *statements, prop="assumeRolePolicy")


CASES = [
    *(
        violates("no-open-principal", kind, policy(kind, everybody), finds=("policy allows everybody",))
        for kind in (*OF_RESOURCES, *OF_KEYS)
    ),
    *(
        violates(
            "no-open-principal",
            f"a service at {kind}, whoever it acts for",
            policy(kind, but(deliver, Condition=REMOVED)),
            finds=("policy allows sns.amazonaws.com whoever it acts for",),
        )
        for kind in CALLED_BY_SERVICES
    ),
    *(
        passes("no-open-principal", f"a service at {kind}", policy(kind, but(deliver, Condition=REMOVED)))
        for kind in OF_KEYS
    ),
    *(
        passes(
            "no-open-principal", key, policy(QUEUE_POLICY, but(everybody, Condition={"StringEquals": {key: "ours"}}))
        )
        for key in BOUNDS
    ),
    violates(
        "no-open-principal",
        "everybody but nobody",
        policy(QUEUE_POLICY, but(everybody, Condition={"Null": {"aws:SourceArn": "false"}})),
        finds=("policy allows everybody",),
    ),
    passes("no-open-principal", "a service for one topic", policy(QUEUE_POLICY, deliver, deny)),
    passes("no-open-principal", "the account", policy(TOPIC_POLICY, but(everybody, Principal={"AWS": ACCOUNT}))),
    passes("no-open-principal", "anybody of the account", policy(QUEUE_POLICY, anybody_of_the_account)),
    passes("no-open-principal", "another account", policy("aws:ecr/repositoryPolicy:RepositoryPolicy", root)),
    passes("no-open-principal", "a service in a role of its account", trust(cluster)),
    violates(
        "no-open-principal",
        "everybody who uses TLS",
        policy(TOPIC_POLICY, but(deliver, Principal={"AWS": "*"}, Condition={"Bool": {"aws:SecureTransport": "true"}})),
        finds=("policy allows everybody",),
    ),
    violates(
        "no-open-principal",
        "everybody but one",
        policy(QUEUE_POLICY, but(everybody, Principal=REMOVED, NotPrincipal={"AWS": ACCOUNT})),
        finds=("policy allows everybody but some",),
    ),
    violates(
        "no-open-principal",
        "a role for everybody",
        trust(but(cluster, Principal={"AWS": "*"})),
        finds=("assumeRolePolicy allows everybody",),
    ),
    other("no-open-principal", "the policy of a role names none", policy(ROLE_POLICY, use)),
    passes("pods-trusted-exactly", "the pods of one cluster", trust(pods)),
    passes(
        "pods-trusted-exactly",
        "the pods of one account of one cluster",
        trust(
            but(pods, Condition={"StringEquals": {"aws:SourceAccount": "1", "aws:RequestTag/eks-cluster-arn": CLUSTER}})
        ),
    ),
    passes("pods-trusted-exactly", "a role that is no pod's", trust(cluster)),
    violates(
        "pods-trusted-exactly",
        "any cluster of any account",
        trust(but(pods, Condition=REMOVED)),
        finds=("its trust has no condition on aws:SourceAccount", "its trust has no condition on the cluster"),
    ),
    violates(
        "pods-trusted-exactly",
        "any cluster of the account",
        trust(but(pods, Condition__ArnEquals=REMOVED)),
        finds=("its trust has no condition on the cluster",),
    ),
    violates(
        "pods-trusted-exactly",
        "a cluster, if the request names one",
        trust(
            but(pods, Condition__ArnEquals=REMOVED, Condition__StringEqualsIfExists={"aws:SourceArn": CLUSTER}),
        ),
        finds=("its trust has no condition on the cluster",),
    ),
    violates(
        "pods-trusted-exactly",
        "any cluster, in so many words",
        trust(but(pods, Condition__ArnEquals=REMOVED, Condition__ArnLike={"aws:SourceArn": "*"})),
        finds=("its trust has no condition on the cluster",),
    ),
    violates(
        "pods-trusted-exactly",
        "every cluster but one",
        trust(but(pods, Condition__ArnEquals=REMOVED, Condition__ArnNotEquals={"aws:SourceArn": CLUSTER})),
        finds=("its trust has no condition on the cluster",),
    ),
    violates(
        "pods-trusted-exactly",
        "machines, too",
        trust(but(pods, Principal={"Service": ["pods.eks.amazonaws.com", "ec2.amazonaws.com"]})),
        finds=("it trusts ec2.amazonaws.com, too",),
    ),
    violates(
        "pods-trusted-exactly",
        "without the tags of the session",
        trust(but(pods, Action="sts:AssumeRole")),
        finds=("its trust should allow sts:AssumeRole and sts:TagSession; sts:TagSession is one too many or missing",),
    ),
    other(
        "pods-trusted-exactly", "an association", resource("aws:eks/podIdentityAssociation:PodIdentityAssociation", {})
    ),
]
