"""Who may do what is said exactly, in policies of identities and of resources alike."""

import fnmatch
from collections.abc import Iterator, Mapping
from typing import Any

from infra.policies.model import Resource, Stack, at, document, listed, rule

Statement = Mapping[str, Any]

OF_IDENTITIES = {
    "aws:iam/policy:Policy": "policy",
    "aws:iam/rolePolicy:RolePolicy": "policy",
    "aws:iam/userPolicy:UserPolicy": "policy",
    "aws:iam/groupPolicy:GroupPolicy": "policy",
}
"""Resource type -> the property with the policy of whoever it is attached to."""

OF_RESOURCES = {
    "aws:sqs/queue:Queue": "policy",
    "aws:sqs/queuePolicy:QueuePolicy": "policy",
    "aws:sns/topic:Topic": "policy",
    "aws:sns/topicPolicy:TopicPolicy": "policy",
    "aws:s3/bucket:Bucket": "policy",
    "aws:s3/bucketPolicy:BucketPolicy": "policy",
    "aws:kms/key:Key": "policy",
    "aws:kms/keyPolicy:KeyPolicy": "policy",
    "aws:ecr/repositoryPolicy:RepositoryPolicy": "policy",
    "aws:secretsmanager/secretPolicy:SecretPolicy": "policy",
    "aws:cloudwatch/logResourcePolicy:LogResourcePolicy": "policyDocument",
}
"""Resource type -> the property with the policy of the resource itself: it names principals."""

ROLE = "aws:iam/role:Role"
KEYS = ("aws:kms/key:Key", "aws:kms/keyPolicy:KeyPolicy")

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
"""Actions that IAM knows for no resource in particular, or only for all: they can be allowed for `*` alone.
https://docs.aws.amazon.com/service-authorization/latest/reference/ ("Resource types" of each action)"""

BOUNDING_KEYS = (
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceorgid",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "kms:calleraccount",
)
"""Condition keys that say who may call. `aws:SecureTransport`, for one, says only how. In lower case: IAM does not
tell them apart by case."""


def statements(value: Any) -> list[Statement]:
    """The statements of a policy document: a JSON text, or the object itself."""
    return listed(at(document(value), "Statement"))


def policies(resource: Resource) -> Iterator[tuple[str, list[Statement]]]:
    """Every policy that the resource carries, with the name of its property. Trust policies are not among them."""
    for properties in (OF_IDENTITIES, OF_RESOURCES):
        if resource.type in properties:
            name = properties[resource.type]
            yield name, statements(resource.props.get(name))
    if resource.type == ROLE:
        for each in listed(resource.props.get("inlinePolicies")):
            yield "inlinePolicies", statements(at(each, "policy"))


def _allows(resource: Resource) -> Iterator[tuple[str, Statement]]:
    for name, each_policy in policies(resource):
        for statement in each_policy:
            if statement.get("Effect") == "Allow":
                yield name, statement


def texts(value: Any) -> list[str]:
    return [each for each in listed(value) if isinstance(each, str)]


def principals(statement: Statement) -> list[tuple[str, str]]:
    """Kind and name of each: `("Service", "sns.amazonaws.com")`; `*` alone is `("AWS", "*")`."""
    named = statement.get("Principal")
    if isinstance(named, str):
        return [("AWS", named)]
    return [(kind, name) for kind, names in (named or {}).items() for name in texts(names)]


def bounded_by(statement: Statement) -> set[str]:
    """The keys, in lower case, whose value a caller has to have. Not what it must not have, what it may have
    (`...IfExists`), and what anything matches."""
    return {
        key.lower()
        for operator, tests in (statement.get("Condition") or {}).items()
        if operator != "Null" and "Not" not in operator and not operator.endswith("IfExists")
        for key, values in tests.items()
        if "*" not in listed(values)
    }


def _is_root_of_key(resource: Resource, statement: Statement) -> bool:
    """The account itself owns a key by this statement; AWS refuses a key that nobody could administer.
    https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html"""
    return resource.type in KEYS and all(name.endswith(":root") for _, name in principals(statement))


@rule(
    "no-wildcard-action",
    requires="A policy names the actions that it allows.",
    remedy="Write each action out; of a service, allow what is called and no more.",
    types=(*OF_IDENTITIES, *OF_RESOURCES, ROLE),
)
def no_wildcard_action(resource: Resource, _: Stack) -> Iterator[str]:
    for name, statement in _allows(resource):
        if "NotAction" in statement:
            yield f"{name} allows everything but {', '.join(texts(statement['NotAction']))}"
        if not _is_root_of_key(resource, statement):
            for action in texts(statement.get("Action")):
                if action == "*" or action.endswith(":*"):
                    yield f"{name} allows {action}"


@rule(
    "no-wildcard-resource",
    requires="A policy names the resources that it allows something on.",
    remedy="Name the ARN; `*` is only for actions that IAM knows for no single resource (WITHOUT_RESOURCE).",
    types=(*OF_IDENTITIES, *(each for each in OF_RESOURCES if each not in KEYS), ROLE),
)
def no_wildcard_resource(resource: Resource, _: Stack) -> Iterator[str]:
    for name, statement in _allows(resource):
        if "NotResource" in statement:
            yield f"{name} allows something on everything but {', '.join(texts(statement['NotResource']))}"
        actions = [each for each in texts(statement.get("Action")) if each not in WITHOUT_RESOURCE]
        for arn in filter(_names_all, texts(statement.get("Resource"))):
            for action in actions:
                yield f"{name} allows {action} on {arn}"


def _names_all(arn: str) -> bool:
    """Whether it names every resource of an account or of a kind: `*`, `...:*`, `...:table/*`, `...:dbuser:*/app`."""
    parts = arn.split(":", 5)
    if parts[-1] == "*":
        return True
    if len(parts) < 6 or parts[2] == "s3":  # no ARN; and bucket/* is one bucket
        return False
    name = parts[5].replace("/", ":").partition(":")[2]
    return name == "*" or name.startswith("*:")


@rule(
    "no-open-principal",
    requires="The policy of a resource says who may use it; an AWS service may for resources of this stack alone.",
    remedy="Name the principal, and bound a service by the condition aws:SourceArn or aws:SourceAccount.",
    types=(*OF_RESOURCES, ROLE),
)
def no_open_principal(resource: Resource, _: Stack) -> Iterator[str]:
    trust = statements(resource.props.get("assumeRolePolicy"))
    given = [(name, each) for name, statement in policies(resource) for each in statement]
    for name, statement in [*given, *(("assumeRolePolicy", each) for each in trust)]:
        if statement.get("Effect") != "Allow":
            continue
        if "NotPrincipal" in statement:
            yield f"{name} allows everybody but some"
        if bounded_by(statement) & set(BOUNDING_KEYS):
            continue
        for kind, principal in principals(statement):
            if principal == "*":
                yield f"{name} allows everybody"
            elif kind == "Service" and resource.type in CONFUSABLE:
                yield f"{name} allows {principal} whoever it acts for"


CONFUSABLE = (
    "aws:sqs/queue:Queue",
    "aws:sqs/queuePolicy:QueuePolicy",
    "aws:sns/topic:Topic",
    "aws:sns/topicPolicy:TopicPolicy",
    "aws:s3/bucketPolicy:BucketPolicy",
)
"""Where a service acts for any of its customers who knows the address ("confused deputy"). A service role is assumed
by the service for the role's own account, and a key is used on behalf of a resource with its own policy."""


@rule(
    "pods-trusted-exactly",
    requires="A role of a pod trusts EKS Pod Identity alone, for one cluster of this account.",
    remedy="Trust pods.eks.amazonaws.com with sts:AssumeRole and sts:TagSession, under aws:SourceAccount and"
    " aws:RequestTag/eks-cluster-arn (or aws:SourceArn).",
    types=(ROLE,),
)
def pods_trusted_exactly(resource: Resource, _: Stack) -> Iterator[str]:
    trust = statements(resource.props.get("assumeRolePolicy"))
    trusted = {principal for statement in trust for _, principal in principals(statement)}
    if PODS not in trusted:
        return
    for other in sorted(trusted - {PODS}):
        yield f"it trusts {other}, too"
    for statement in trust:
        bounds = bounded_by(statement)
        if "aws:sourceaccount" not in bounds:
            yield "its trust has no condition on aws:SourceAccount"
        if not bounds & {"aws:sourcearn", "aws:requesttag/eks-cluster-arn"}:
            yield "its trust has no condition on the cluster"
        for action in sorted(set(texts(statement.get("Action"))) ^ {"sts:AssumeRole", "sts:TagSession"}):
            yield f"its trust should allow sts:AssumeRole and sts:TagSession; {action} is one too many or missing"


PODS = "pods.eks.amazonaws.com"

BROAD = ("AdministratorAccess*", "PowerUserAccess", "*FullAccess*")


@rule(
    "no-broad-managed-policy",
    requires="Nothing in the stack administers the account or a whole service.",
    remedy="Write a policy with the actions and resources that are needed.",
    types=(ROLE, "aws:iam/rolePolicyAttachment:RolePolicyAttachment", "aws:iam/policyAttachment:PolicyAttachment"),
)
def no_broad_managed_policy(resource: Resource, _: Stack) -> Iterator[str]:
    for arn in [*texts(resource.props.get("managedPolicyArns")), *texts(resource.props.get("policyArn"))]:
        name = arn.rpartition("/")[2]
        if ":iam::aws:policy" in arn and any(fnmatch.fnmatchcase(name, broad) for broad in BROAD):
            yield f"{name} is attached"


@rule(
    "no-wildcard-in-cluster",
    requires="A role of the cluster names the objects and the verbs that it allows, and nobody is its administrator.",
    remedy="Write apiGroups, resources and verbs out; people administer by an access entry of EKS.",
    types=(
        "kubernetes:rbac.authorization.k8s.io/v1:Role",
        "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole",
        "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding",
        "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding",
    ),
)
def no_wildcard_in_cluster(resource: Resource, _: Stack) -> Iterator[str]:
    if at(resource.props, "roleRef", "name") == "cluster-admin":
        yield "it makes somebody cluster-admin"
    for allowed in listed(resource.props.get("rules")):
        for part in ("apiGroups", "resources", "verbs"):
            if "*" in listed(at(allowed, part)):
                yield f"it allows every one of {part}"
