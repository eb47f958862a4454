"""What is lost stays lost: data of prod, messages that nobody could handle, and the trace of whose a resource is."""

from collections.abc import Iterator

from infra.aws import tags
from infra.policies.model import Resource, Stack, at, at_least, document, is_set, may_be, rule

LEAST_BACKUP_DAYS = 7


@rule(
    "database-protected",
    requires="A database of prod survives a mistake and a zone.",
    remedy="Set deletion_protection, multi_az, a final snapshot and backup_retention_period of 7 days or more.",
    types=("aws:rds/instance:Instance",),
)
def database_protected(resource: Resource, stack: Stack) -> Iterator[str]:
    props = resource.props
    if not stack.protected:
        return
    if not may_be(props.get("deletionProtection"), True):
        yield "deletionProtection is not true"
    if not may_be(props.get("multiAz"), True):
        yield "multiAz is not true"
    if props.get("skipFinalSnapshot") is True:
        yield "skipFinalSnapshot is true"
    elif not is_set(props.get("finalSnapshotIdentifier")):
        yield "finalSnapshotIdentifier is missing: it could not be deleted, and nobody would know why"
    if not at_least(props.get("backupRetentionPeriod"), LEAST_BACKUP_DAYS):
        yield f"backupRetentionPeriod is {props.get('backupRetentionPeriod')}"


@rule(
    "table-protected",
    requires="A table of prod survives a mistake.",
    remedy="Set deletion_protection_enabled and point_in_time_recovery.",
    types=("aws:dynamodb/table:Table",),
)
def table_protected(resource: Resource, stack: Stack) -> Iterator[str]:
    if not stack.protected:
        return
    if not may_be(resource.props.get("deletionProtectionEnabled"), True):
        yield "deletionProtectionEnabled is not true"
    if not may_be(at(resource.props, "pointInTimeRecovery", "enabled"), True):
        yield "pointInTimeRecovery is not enabled"


@rule(
    "people-protected",
    requires="The user pool of prod cannot be deleted by mistake: nobody could sign in again.",
    remedy="Set deletion_protection=ACTIVE.",
    types=("aws:cognito/userPool:UserPool",),
)
def people_protected(resource: Resource, stack: Stack) -> Iterator[str]:
    if stack.protected and not may_be(resource.props.get("deletionProtection"), "ACTIVE"):
        yield "deletionProtection is not ACTIVE"


@rule(
    "cluster-protected",
    requires="The cluster of prod cannot be deleted by mistake.",
    remedy="Set deletion_protection=True.",
    types=("aws:eks/cluster:Cluster",),
)
def cluster_protected(resource: Resource, stack: Stack) -> Iterator[str]:
    if stack.protected and not may_be(resource.props.get("deletionProtection"), True):
        yield "deletionProtection is not true"


@rule(
    "load-balancer-protected",
    requires="The load balancer of prod cannot be deleted by mistake.",
    remedy="Set enable_deletion_protection=True.",
    types=("aws:lb/loadBalancer:LoadBalancer", "aws:alb/loadBalancer:LoadBalancer"),
)
def load_balancer_protected(resource: Resource, stack: Stack) -> Iterator[str]:
    if stack.protected and not may_be(resource.props.get("enableDeletionProtection"), True):
        yield "enableDeletionProtection is not true"


@rule(
    "images-protected",
    requires="The images of prod are not deleted with their repository.",
    remedy="Leave force_delete out.",
    types=("aws:ecr/repository:Repository",),
)
def images_protected(resource: Resource, stack: Stack) -> Iterator[str]:
    if stack.protected and resource.props.get("forceDelete") is True:
        yield "forceDelete is true"


@rule(
    "images-scanned",
    requires="An image is scanned when it is pushed, and its tag is never another image's.",
    remedy="Set scan_on_push, and image_tag_mutability to IMMUTABLE or IMMUTABLE_WITH_EXCLUSION (for a cache).",
    types=("aws:ecr/repository:Repository",),
)
def images_scanned(resource: Resource, _: Stack) -> Iterator[str]:
    if not may_be(at(resource.props, "imageScanningConfiguration", "scanOnPush"), True):
        yield "scanOnPush is not true"
    if not may_be(resource.props.get("imageTagMutability"), "IMMUTABLE", "IMMUTABLE_WITH_EXCLUSION"):
        yield "imageTagMutability is not IMMUTABLE"


@rule(
    "password-managed",
    requires="The password of a database is made, kept and rotated by AWS: nobody knows it, no state holds it.",
    remedy="Set manage_master_user_password=True and no password.",
    types=("aws:rds/instance:Instance", "aws:rds/cluster:Cluster"),
)
def password_managed(resource: Resource, _: Stack) -> Iterator[str]:
    name = "password" if resource.type.endswith(":Instance") else "masterPassword"
    if is_set(resource.props.get(name)):
        yield f"{name} is set"
    elif not may_be(resource.props.get("manageMasterUserPassword"), True):
        yield "manageMasterUserPassword is not true"


@rule(
    "dead-letter-queue",
    requires="A message that cannot be handled is set aside: a queue has a dead-letter queue or is one.",
    remedy="Set redrive_policy with a deadLetterTargetArn and a maxReceiveCount.",
    types=("aws:sqs/queue:Queue",),
    whole_stack=True,
)
def dead_letter_queue(resource: Resource, stack: Stack) -> Iterator[str]:
    redrive = document(resource.props.get("redrivePolicy"))
    separate = stack.dependents(resource, "aws:sqs/redrivePolicy:RedrivePolicy")
    is_one = stack.dependents(resource, "aws:sqs/queue:Queue") or is_set(resource.props.get("redriveAllowPolicy"))
    if is_set(redrive):
        if not is_set(at(redrive, "deadLetterTargetArn")) or not at_least(at(redrive, "maxReceiveCount"), 1):
            yield "its redrivePolicy does not say where to, or after how many deliveries"
    elif not separate and not is_one:
        yield "it has none, and no other queue sets its messages aside here"


@rule(
    "required-tags",
    requires="Whatever can be tagged says which project and environment it belongs to, and who manages it.",
    remedy="Give the provider infra.aws.tags.common(...) as default tags.",
    types=("pulumi:providers:aws",),
)
def required_tags(resource: Resource, _: Stack) -> Iterator[str]:
    given = at(document(resource.props.get("defaultTags")), "tags")
    for tag in tags.REQUIRED:
        if not is_set(at(given, tag)):
            yield f"its defaultTags have no {tag}"


@rule(
    "named-provider",
    requires="A resource of AWS is made by the provider that gives it its tags.",
    remedy="Give its component the provider of the environment in `opts`.",
    types=("aws:*",),
)
def named_provider(resource: Resource, _: Stack) -> Iterator[str]:
    if not resource.provider:
        yield "no provider was named for it"
