"""What is kept is encrypted."""

from tests.policies.cases import REMOVED, but, other, passes, resource, violates

DATABASE, TABLE = "aws:rds/instance:Instance", "aws:dynamodb/table:Table"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
QUEUE, TOPIC = "aws:sqs/queue:Queue", "aws:sns/topic:Topic"
VOLUME, STORAGE_CLASS = "aws:ebs/volume:Volume", "kubernetes:storage.k8s.io/v1:StorageClass"
CLUSTER, KEY = "aws:eks/cluster:Cluster", "aws:kms/key:Key"

KEY_ARN = "arn:aws:kms:eu-central-1:123456789012:key/1"
encrypted_database = {"storageEncrypted": True, "kmsKeyId": KEY_ARN}
encrypted_table = {"serverSideEncryption": {"enabled": True, "kmsKeyArn": KEY_ARN}}
encrypted_class = {"provisioner": "ebs.csi.eks.amazonaws.com", "parameters": {"type": "gp3", "encrypted": "true"}}
encrypted_cluster = {"encryptionConfig": {"provider": {"keyArn": KEY_ARN}, "resources": ["secrets"]}}

CASES = [
    passes("database-encrypted", "a key of the stack", resource(DATABASE, encrypted_database)),
    violates(
        "database-encrypted",
        "nothing said",
        resource(DATABASE, {"engine": "postgres"}),
        finds=("storageEncrypted is not true", "kmsKeyId is missing"),
    ),
    violates(
        "database-encrypted",
        "switched off",
        resource(DATABASE, but(encrypted_database, storageEncrypted=False)),
        finds=("storageEncrypted is not true",),
    ),
    violates(
        "database-encrypted",
        "a cluster of databases with the key of all of Amazon",
        resource("aws:rds/cluster:Cluster", {"storageEncrypted": True}),
        finds=("kmsKeyId is missing",),
    ),
    other("database-encrypted", "a subnet group keeps nothing", resource("aws:rds/subnetGroup:SubnetGroup", {})),
    passes("table-encrypted", "a key of the stack", resource(TABLE, encrypted_table)),
    violates(
        "table-encrypted",
        "nothing said",
        resource(TABLE, {"hashKey": "pk"}),
        finds=("serverSideEncryption is not enabled: the key would be one that AWS shares among its customers",),
    ),
    violates(
        "table-encrypted",
        "enabled without a key",
        resource(TABLE, {"serverSideEncryption": {"enabled": True}}),
        finds=("serverSideEncryption has no kmsKeyArn",),
    ),
    other("table-encrypted", "an item of a table", resource("aws:dynamodb/tableItem:TableItem", {})),
    passes("queue-encrypted", "keys of SQS", resource(QUEUE, {"sqsManagedSseEnabled": True})),
    passes("queue-encrypted", "a key of the stack", resource(QUEUE, {"kmsMasterKeyId": KEY_ARN})),
    violates(
        "queue-encrypted",
        "switched off",
        resource(QUEUE, {"sqsManagedSseEnabled": False}),
        finds=("neither sqsManagedSseEnabled nor kmsMasterKeyId is set",),
    ),
    other("queue-encrypted", "the policy of a queue", resource("aws:sqs/queuePolicy:QueuePolicy", {})),
    passes("topic-encrypted", "a key of the stack", resource(TOPIC, {"kmsMasterKeyId": KEY_ARN})),
    violates("topic-encrypted", "nothing said", resource(TOPIC, {}), finds=("kmsMasterKeyId is missing",)),
    other("topic-encrypted", "a subscription", resource("aws:sns/topicSubscription:TopicSubscription", {})),
    passes("log-group-encrypted", "a key of the stack", resource(LOG_GROUP, {"kmsKeyId": KEY_ARN})),
    violates("log-group-encrypted", "nothing said", resource(LOG_GROUP, {}), finds=("kmsKeyId is missing",)),
    other("log-group-encrypted", "a stream in one", resource("aws:cloudwatch/logStream:LogStream", {})),
    passes("volume-encrypted", "a volume that is", resource(VOLUME, {"encrypted": True})),
    passes("volume-encrypted", "volumes of a class that are", resource(STORAGE_CLASS, encrypted_class)),
    violates("volume-encrypted", "a volume", resource(VOLUME, {"size": 8}), finds=("encrypted is not true",)),
    violates(
        "volume-encrypted",
        "volumes of a class",
        resource(STORAGE_CLASS, but(encrypted_class, parameters__encrypted=REMOVED)),
        finds=('the parameter encrypted is not "true"',),
    ),
    other("volume-encrypted", "a claim of a volume", resource("kubernetes:core/v1:PersistentVolumeClaim", {})),
    passes("cluster-secrets-encrypted", "a key of the stack", resource(CLUSTER, encrypted_cluster)),
    violates(
        "cluster-secrets-encrypted",
        "nothing said",
        resource(CLUSTER, {"version": "1.35"}),
        finds=("encryptionConfig names no key",),
    ),
    violates(
        "cluster-secrets-encrypted",
        "a key for nothing",
        resource(CLUSTER, but(encrypted_cluster, encryptionConfig__resources=[])),
        finds=("encryptionConfig does not name secrets",),
    ),
    other("cluster-secrets-encrypted", "an add-on", resource("aws:eks/addon:Addon", {})),
    passes("key-rotated", "rotation on", resource(KEY, {"enableKeyRotation": True})),
    passes("key-rotated", "a key pair, which AWS cannot rotate", resource(KEY, {"customerMasterKeySpec": "RSA_4096"})),
    violates("key-rotated", "nothing said", resource(KEY, {}), finds=("enableKeyRotation is not true",)),
    other("key-rotated", "the name of a key", resource("aws:kms/alias:Alias", {})),
]
