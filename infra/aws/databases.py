"""What all databases of an environment share: where they lie, the key of their storage, perhaps the server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
from pulumi import Input, ResourceOptions

from infra.aws.database_instance import Instance, InstanceArgs
from infra.aws.environment import Environment
from infra.aws.observability import Watch, WatchArgs
from infra.contract import RelationalEngine


@dataclass(frozen=True, kw_only=True)
class Sizing:
    """What an instance costs and withstands."""

    instance_class: str
    storage_gib: int
    multi_zone: bool
    backup_days: int
    log_days: int
    """How long CloudWatch keeps the instance's logs."""


@dataclass(frozen=True, kw_only=True)
class DatabasesArgs:
    environment: Environment
    vpc_id: Input[str]
    subnet_ids: Sequence[Input[str]]
    clients_security_group_id: Input[str]
    """Who may connect: the security group of the cluster."""
    log_key_arn: Input[str]
    sizing: Sizing
    shared_engines: Sequence[RelationalEngine]
    """Engines with one instance for all services; those of other engines have one each."""
    alarm_topic_arn: Input[str]
    dashboard: bool
    """Whether a shared instance has a dashboard."""


class Databases(pulumi.ComponentResource):
    """A subnet group without a way to the internet, a key for what is at rest, and the shared instances."""

    kms_key_arn: pulumi.Output[str]

    def __init__(self, name: str, args: DatabasesArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("shop:aws:Databases", name, None, opts)
        self._args = args
        child = ResourceOptions(parent=self)
        key = aws.kms.Key(
            f"{name}-key", description="Databases and their master passwords", enable_key_rotation=True, opts=child
        )
        self.kms_key_arn = key.arn
        self._subnet_group = aws.rds.SubnetGroup(f"{name}-subnets", subnet_ids=args.subnet_ids, opts=child)
        self.shared: Mapping[str, Instance] = {
            engine: self._instance(f"{name}-{engine}", engine, child) for engine in args.shared_engines
        }
        for engine, instance in self.shared.items():
            self._watch(engine, instance)
        self.register_outputs({"kms_key_arn": self.kms_key_arn})

    def _watch(self, engine: str, instance: Instance) -> None:
        """A shared instance is nobody's, so it is watched here; one of its own is watched with its service."""
        args = self._args
        Watch(
            f"{engine}-watch",
            WatchArgs(
                service=engine,
                environment=args.environment,
                alarm_topic_arn=args.alarm_topic_arn,
                dashboard=args.dashboard,
                charts=instance.charts(),
                alarms=instance.alarms(),
            ),
            ResourceOptions(parent=self),
        )

    def instance(self, name: str, engine: RelationalEngine, tags: Mapping[str, str], opts: ResourceOptions) -> Instance:
        """The instance for a service's database: the shared one, or `name`, made with `opts`."""
        return self.shared.get(engine) or self._instance(name, engine, opts, tags)

    def _instance(
        self, name: str, engine: RelationalEngine, opts: ResourceOptions, tags: Mapping[str, str] | None = None
    ) -> Instance:
        args, sizing = self._args, self._args.sizing
        return Instance(
            name,
            InstanceArgs(
                environment=args.environment,
                engine=engine,
                vpc_id=args.vpc_id,
                subnet_group_name=self._subnet_group.name,
                clients_security_group_id=args.clients_security_group_id,
                kms_key_arn=self.kms_key_arn,
                instance_class=sizing.instance_class,
                storage_gib=sizing.storage_gib,
                multi_zone=sizing.multi_zone,
                backup_days=sizing.backup_days,
                log_days=sizing.log_days,
                log_key_arn=args.log_key_arn,
                tags=tags or {},
            ),
            opts,
        )
