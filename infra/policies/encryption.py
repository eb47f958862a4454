"""What is kept is encrypted.

Without rules: S3 objects, ECR layers and Secrets Manager values. AWS encrypts them always.
"""

from collections.abc import Iterator

from infra.policies.model import UNKNOWN, Resource, Stack, at, is_set, listed, may_be, rule


@rule(
    "database-encrypted",
    requires="A database encrypts its storage with a key of this stack.",
    remedy="Set storage_encrypted=True and kms_key_id; on an existing instance that means a copy of its snapshot.",
    types=("aws:rds/instance:Instance", "aws:rds/cluster:Cluster"),
)
def database_encrypted(resource: Resource, _: Stack) -> Iterator[str]:
    if not may_be(resource.props.get("storageEncrypted"), True):
        yield "storageEncrypted is not true"
    if not is_set(resource.props.get("kmsKeyId")):
        yield "kmsKeyId is missing"


@rule(
    "table-encrypted",
    requires="A DynamoDB table is encrypted with a key of this stack.",
    remedy="Set server_side_encryption to enabled, with a kms_key_arn.",
    types=("aws:dynamodb/table:Table",),
)
def table_encrypted(resource: Resource, _: Stack) -> Iterator[str]:
    if not may_be(at(resource.props, "serverSideEncryption", "enabled"), True):
        yield "serverSideEncryption is not enabled: the key would be one that AWS shares among its customers"
    elif not is_set(at(resource.props, "serverSideEncryption", "kmsKeyArn")):
        yield "serverSideEncryption has no kmsKeyArn"


@rule(
    "queue-encrypted",
    requires="A queue encrypts the messages that it holds.",
    remedy="Set sqs_managed_sse_enabled=True (SNS can deliver to it), or kms_master_key_id.",
    types=("aws:sqs/queue:Queue",),
)
def queue_encrypted(resource: Resource, _: Stack) -> Iterator[str]:
    managed, key = resource.props.get("sqsManagedSseEnabled"), resource.props.get("kmsMasterKeyId")
    if not may_be(managed, True) and not is_set(key):
        yield "neither sqsManagedSseEnabled nor kmsMasterKeyId is set"


@rule(
    "topic-encrypted",
    requires="A topic encrypts the messages that it holds.",
    remedy="Set kms_master_key_id to a key whose policy lets SNS and the publisher use it.",
    types=("aws:sns/topic:Topic",),
)
def topic_encrypted(resource: Resource, _: Stack) -> Iterator[str]:
    if not is_set(resource.props.get("kmsMasterKeyId")):
        yield "kmsMasterKeyId is missing"


@rule(
    "log-group-encrypted",
    requires="A log group is encrypted with a key of this stack.",
    remedy="Set kms_key_id to a key whose policy lets CloudWatch Logs use it for this name (infra/aws/log_key.py).",
    types=("aws:cloudwatch/logGroup:LogGroup",),
)
def log_group_encrypted(resource: Resource, _: Stack) -> Iterator[str]:
    if not is_set(resource.props.get("kmsKeyId")):
        yield "kmsKeyId is missing"


@rule(
    "volume-encrypted",
    requires="A volume is encrypted, whoever makes it.",
    remedy='Set encrypted=True on a volume, the parameter encrypted: "true" on a StorageClass.',
    types=("aws:ebs/volume:Volume", "kubernetes:storage.k8s.io/v1:StorageClass"),
)
def volume_encrypted(resource: Resource, _: Stack) -> Iterator[str]:
    if resource.type.startswith("aws:"):
        if not may_be(resource.props.get("encrypted"), True):
            yield "encrypted is not true"
    elif not may_be(at(resource.props, "parameters", "encrypted"), "true"):
        yield 'the parameter encrypted is not "true"'


@rule(
    "cluster-secrets-encrypted",
    requires="A cluster encrypts its Secrets with a key of this stack.",
    remedy='Set encryption_config to the resources ["secrets"] and a provider with a key_arn.',
    types=("aws:eks/cluster:Cluster",),
)
def cluster_secrets_encrypted(resource: Resource, _: Stack) -> Iterator[str]:
    configured = resource.props.get("encryptionConfig")
    encrypted = at(configured, "resources")
    if not is_set(at(configured, "provider", "keyArn")):
        yield "encryptionConfig names no key"
    elif encrypted is not UNKNOWN and not any(may_be(each, "secrets") for each in listed(encrypted)):
        yield "encryptionConfig does not name secrets"


@rule(
    "key-rotated",
    requires="A key of KMS is rotated by AWS.",
    remedy="Set enable_key_rotation=True.",
    types=("aws:kms/key:Key",),
)
def key_rotated(resource: Resource, _: Stack) -> Iterator[str]:
    symmetric = resource.props.get("customerMasterKeySpec", "SYMMETRIC_DEFAULT") == "SYMMETRIC_DEFAULT"
    if symmetric and not may_be(resource.props.get("enableKeyRotation"), True):
        yield "enableKeyRotation is not true"
