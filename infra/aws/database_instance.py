"""A database server of RDS."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_aws as aws
from pulumi import ResourceOptions

from infra.aws import database_signals
from infra.aws.environment import Environment
from infra.aws.instance_classes import max_connections
from infra.contract import RelationalEngine
from infra.signals import Alarm, Chart

MASTER = "platform"
"""The account that RDS makes, for the bootstrap alone. PostgreSQL does not let it be `admin`."""

GROWTH = 5
"""Storage grows by itself, up to this many times what was asked for: a bound for the bill and for a run-away table."""

SLOW_STATEMENT_SECONDS = 1
CERTIFICATE_AUTHORITY = "rds-ca-rsa2048-g1"
"""RDS's default. Valid until 2061; its roots are in rds-roots.pem."""

ParameterArgs = aws.rds.ParameterGroupParameterArgs


@dataclass(frozen=True, kw_only=True)
class _Defaults:
    version: str
    """The major version alone: RDS keeps the minor one current in the maintenance window."""
    family: str
    port: int
    logs: tuple[str, ...]
    """What is sent to CloudWatch. `EnableCloudwatchLogsExports` of CreateDBInstance lists what there is."""
    parameters: tuple[ParameterArgs, ...]
    connections_apply: Literal["immediate", "pending-reboot"]
    """When another `max_connections` counts: PostgreSQL reads it when it starts. Another class restarts it anyway."""


# A version that leaves standard support is upgraded by RDS (engine_lifecycle_support): look at the dates in "Release
# calendar for Amazon RDS for PostgreSQL" and "Supported MySQL major versions on Amazon RDS", and move on before.
ENGINES: Mapping[RelationalEngine, _Defaults] = {
    "postgres": _Defaults(
        version="17",
        family="postgres17",
        port=5432,
        logs=("iam-db-auth-error", "postgresql", "upgrade"),
        parameters=(
            # Static in some versions: "immediate" is refused there, and "pending-reboot" is what RDS reports back.
            # A new instance starts with it either way.
            ParameterArgs(name="rds.force_ssl", value="1", apply_method="pending-reboot"),
            ParameterArgs(
                name="log_min_duration_statement",
                value=str(SLOW_STATEMENT_SECONDS * 1000),  # milliseconds
                apply_method="immediate",
            ),
        ),
        connections_apply="pending-reboot",
    ),
    "mysql": _Defaults(
        version="8.4",
        family="mysql8.4",
        port=3306,
        logs=("error", "iam-db-auth-error", "slowquery"),
        parameters=(
            ParameterArgs(name="require_secure_transport", value="1", apply_method="immediate"),
            ParameterArgs(name="slow_query_log", value="1", apply_method="immediate"),
            ParameterArgs(name="long_query_time", value=str(SLOW_STATEMENT_SECONDS), apply_method="immediate"),
            ParameterArgs(name="log_output", value="FILE", apply_method="immediate"),  # tables are not exported
        ),
        connections_apply="immediate",
    ),
}


@dataclass(frozen=True, kw_only=True)
class InstanceArgs:
    environment: Environment
    engine: RelationalEngine
    vpc_id: pulumi.Input[str]
    subnet_group_name: pulumi.Input[str]
    clients_security_group_id: pulumi.Input[str]
    """Who may connect. Only the rule waits for it, never the instance."""
    kms_key_arn: pulumi.Input[str]
    instance_class: str
    """One of `infra.aws.instance_classes.MEMORY_GIB`."""
    storage_gib: int
    multi_zone: bool
    backup_days: int
    log_days: int
    """How long CloudWatch keeps its logs, one of CloudWatch's own periods."""
    log_key_arn: pulumi.Input[str]
    """Whose policy lets CloudWatch Logs use it for /aws/rds/instance/<prefix>-*."""
    tags: Mapping[str, str]


class Instance(pulumi.ComponentResource):
    """A PostgreSQL or MySQL server that takes TLS connections of its clients' security group, and of nobody else.

    Its identifier is the prefix and the auto-generated name of its security group. So the names of its log groups are
    known before it is there (they go with the stack; RDS would make ones that stay), and so is that of its final
    snapshot. An engine or key that would replace the instance replaces the security group, too, so its successor's
    snapshot has another name.

    A protected instance is deleted in two ways. To keep its data: lift the protection in RDS (`aws rds
    modify-db-instance --no-deletion-protection`) and in the state (`pulumi state unprotect`), then destroy; the final
    snapshot and the automated backups stay. To be rid of them: set `protected` to false, `pulumi up`, then destroy.
    """

    address: pulumi.Output[str]
    port: int
    resource_id: pulumi.Output[str]
    """What IAM knows it by: `rds-db:connect` names it."""
    master_secret_arn: pulumi.Output[str]
    """A secret of Secrets Manager with JSON: username, password. RDS's own: no program ever has its value."""
    identifier: pulumi.Output[str]
    max_connections: int
    reachable: pulumi.Resource
    """The rule that lets clients in: what connects from the cluster waits for it."""

    def __init__(self, name: str, args: InstanceArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("shop:aws:DatabaseInstance", name, None, opts)
        self._name, self._args, self._defaults = name, args, ENGINES[args.engine]
        self.port = self._defaults.port
        self.max_connections = max_connections(args.engine, args.instance_class)
        group = self._security_group()
        self.identifier = pulumi.Output.concat(args.environment.prefix, "-", group.name)
        logs = self._log_groups()
        instance = self._instance(group, self._parameters(), logs)
        self.address, self.resource_id = instance.address, instance.resource_id
        self.master_secret_arn = instance.master_user_secrets.apply(_secret_arn)
        self.register_outputs({"address": self.address, "identifier": self.identifier})

    def charts(self) -> list[Chart]:
        return database_signals.charts(self.identifier)

    def alarms(self) -> list[Alarm]:
        """If several services share the instance, one should be told only: they are about all of them."""
        return database_signals.alarms(self.identifier, self._args.storage_gib, self.max_connections)

    def _security_group(self) -> aws.ec2.SecurityGroup:
        args = self._args
        # Neither rule nor egress: AWS's own "everything out" is taken away by the provider.
        group = aws.ec2.SecurityGroup(
            self._name,
            description=f"{self._name}: clients only",
            vpc_id=args.vpc_id,
            tags=args.tags,
            opts=ResourceOptions(parent=self, replacement_trigger=[args.engine, args.kms_key_arn]),
        )
        self.reachable = aws.vpc.SecurityGroupIngressRule(
            f"{self._name}-from-clients",
            description="from the cluster",
            security_group_id=group.id,
            referenced_security_group_id=args.clients_security_group_id,
            ip_protocol="tcp",
            from_port=self.port,
            to_port=self.port,
            tags=args.tags,
            opts=ResourceOptions(parent=self),
        )
        return group

    def _log_groups(self) -> list[pulumi.Resource]:
        """Made before RDS would: its own never expire, and a destroyed stack would leave them behind."""
        return [
            aws.cloudwatch.LogGroup(
                f"{self._name}-{log}",
                name=pulumi.Output.concat("/aws/rds/instance/", self.identifier, "/", log),
                retention_in_days=self._args.log_days,
                kms_key_id=self._args.log_key_arn,
                tags=self._args.tags,
                opts=ResourceOptions(parent=self),
            )
            for log in self._defaults.logs
        ]

    def _parameters(self) -> aws.rds.ParameterGroup:
        connections = ParameterArgs(
            name="max_connections", value=str(self.max_connections), apply_method=self._defaults.connections_apply
        )
        return aws.rds.ParameterGroup(
            self._name,
            family=self._defaults.family,
            parameters=[*self._defaults.parameters, connections],
            tags=self._args.tags,
            opts=ResourceOptions(parent=self),
        )

    def _instance(
        self, group: aws.ec2.SecurityGroup, parameters: aws.rds.ParameterGroup, logs: list[pulumi.Resource]
    ) -> aws.rds.Instance:
        args = self._args
        insights = _has_performance_insights(args.engine, args.instance_class)
        return aws.rds.Instance(
            self._name,
            identifier=self.identifier,
            engine=args.engine,
            engine_version=self._defaults.version,
            engine_lifecycle_support="open-source-rds-extended-support-disabled",
            auto_minor_version_upgrade=True,
            instance_class=args.instance_class,
            multi_az=args.multi_zone,
            port=self.port,
            db_subnet_group_name=args.subnet_group_name,
            vpc_security_group_ids=[group.id],
            publicly_accessible=False,
            parameter_group_name=parameters.name,
            ca_cert_identifier=CERTIFICATE_AUTHORITY,
            storage_type="gp3",
            allocated_storage=args.storage_gib,
            max_allocated_storage=args.storage_gib * GROWTH,
            storage_encrypted=True,
            kms_key_id=args.kms_key_arn,
            username=MASTER,
            manage_master_user_password=True,
            master_user_secret_kms_key_id=args.kms_key_arn,
            iam_database_authentication_enabled=True,
            enabled_cloudwatch_logs_exports=self._defaults.logs,
            performance_insights_enabled=insights,
            performance_insights_kms_key_id=args.kms_key_arn if insights else None,
            performance_insights_retention_period=7 if insights else None,  # days; the period that costs nothing
            backup_retention_period=args.backup_days,
            copy_tags_to_snapshot=True,
            delete_automated_backups=not args.environment.protected,
            deletion_protection=args.environment.protected,
            skip_final_snapshot=not args.environment.protected,
            final_snapshot_identifier=pulumi.Output.concat(self.identifier, "-final")
            if args.environment.protected
            else None,
            apply_immediately=not args.environment.protected,  # what is protected changes in its maintenance window
            tags=args.tags,
            opts=ResourceOptions(parent=self, protect=args.environment.protected, depends_on=logs),
        )


def _has_performance_insights(engine: RelationalEngine, instance_class: str) -> bool:
    """On MySQL the micro and small burstable classes lack it, on PostgreSQL none does (USER_PerfInsights.Overview)."""
    return engine == "postgres" or re.fullmatch(r"db\.t\d\w*\.(micro|small)", instance_class) is None


def _secret_arn(managed: Sequence[aws.rds.outputs.InstanceMasterUserSecret] | None) -> str:
    arn = managed[0].secret_arn if managed else None
    if arn is None:
        raise ValueError(
            "RDS names no secret of the master password: is it modified to manage it? `pulumi refresh`, then again"
        )
    return arn
