"""A relational `database` on AWS: on an instance of RDS, without a password.

The instance is the service's own, or the environment's (infra/aws/databases.py). A task with the instance's master
secret makes the database and a user that signs in with IAM; then the service migrates.
"""

from pulumi import Input, Output, ResourceOptions

from infra.aws import tags
from infra.aws.database_instance import Instance
from infra.aws.environment import Environment
from infra.aws.foundation import Capability
from infra.aws.kms import via_service
from infra.capabilities.database.declaration import DatabaseDeclaration
from infra.contract import (
    MIGRATE,
    MIGRATION,
    NOTHING,
    Binding,
    Egress,
    Files,
    ForeignTask,
    RelationalEngine,
    Statement,
    Task,
)
from infra.kubernetes.pods import CERTIFICATES_DIRECTORY, CERTIFICATES_FILE

ADDRESSES = {
    "postgres": "postgresql://{0}@{1}:{2}/{0}?sslmode=verify-full",
    "mysql": "mysql://{0}@{1}:{2}/{0}?ssl-mode=VERIFY_IDENTITY",
}
"""Engine -> where user {0} finds the database of that name; the client checks the server's certificate and name."""
BOOTSTRAP_CPU_MILLIS, BOOTSTRAP_MEMORY_MIB = 50, 128


class Databases(Capability):
    def bind(self, spec: DatabaseDeclaration, opts: ResourceOptions) -> Binding:
        engine = spec.relational_engine
        if engine is None or spec.database is None:
            return NOTHING
        databases, environment, user = self.on.databases, self.on.environment, spec.module
        instance = databases.instance(f"{spec.name}-database", engine, tags.of_service(spec.name), opts)
        egress = [Egress(to=self.on.network.database_cidrs, port=instance.port)]
        is_own = instance not in databases.shared.values()  # who watches one that services share: the environment
        return Binding(
            variables={
                "DATABASE_IAM_AUTH": "true",
                "DATABASE_POOL_SIZE": str(spec.database.connections),
                "DATABASE_URL": Output.format(ADDRESSES[engine], user, instance.address, instance.port),
                "PGSSLROOTCERT": CERTIFICATES_FILE,
            },
            statements=connect_as(user, environment, instance.resource_id),
            egress=egress,
            files=self._certificates(),
            tasks=[
                self._bootstrap(engine, user, instance, egress),
                Task(name=MIGRATION, arguments=(MIGRATE,), egress=egress),
            ],
            charts=instance.charts() if is_own else (),
            alarms=instance.alarms() if is_own else (),
        )

    def _certificates(self) -> list[Files]:
        """The roots that the certificates of RDS end in."""
        roots = self.on.platform.certificates_config_map
        return [Files(volume="rds-roots", config_map=roots, directory=CERTIFICATES_DIRECTORY)]

    def _bootstrap(self, engine: RelationalEngine, user: str, instance: Instance, egress: list[Egress]) -> Task:
        return ForeignTask(
            name="bootstrap",
            arguments=(),
            egress=egress,
            image=self.on.bootstrap_image,
            variables={
                "AWS_REGION": self.on.environment.region,
                "DATABASE_CA_FILE": CERTIFICATES_FILE,
                "DATABASE_ENGINE": engine,
                "DATABASE_HOST": instance.address,
                "DATABASE_NAME": user,
                "DATABASE_PORT": str(instance.port),
                "DATABASE_USER": user,
                "MASTER_SECRET_ARN": instance.master_secret_arn,
            },
            statements=read_secret(instance.master_secret_arn, self.on.databases.kms_key_arn),
            files=self._certificates(),
            cpu_millis=BOOTSTRAP_CPU_MILLIS,
            memory_mib=BOOTSTRAP_MEMORY_MIB,
            ready=[instance.reachable],
        )


def connect_as(user: str, environment: Environment, resource_id: Input[str]) -> list[Statement]:
    """As this user of the instance. It is the instance's resource id that is meant, not its identifier."""
    users = f"arn:aws:rds-db:{environment.region}:{environment.account}:dbuser:"
    return [Statement(actions=["rds-db:connect"], resources=[Output.concat(users, resource_id, "/", user)])]


def read_secret(secret_arn: Input[str], kms_key_arn: Input[str]) -> list[Statement]:
    """A secret that is encrypted by a customer's key; the key for this secret alone, through Secrets Manager."""
    only = {
        "StringEquals": {
            "kms:EncryptionContext:SecretARN": secret_arn,
            "kms:ViaService": via_service("secretsmanager", secret_arn),
        }
    }
    return [
        Statement(actions=["secretsmanager:GetSecretValue"], resources=[secret_arn]),
        Statement(actions=["kms:Decrypt"], resources=[kms_key_arn], conditions=only),
    ]
