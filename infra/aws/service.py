"""Everything one service is on AWS, from its declaration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi import Input, Output, Resource, ResourceOptions

from infra import variables
from infra.aws import tags, telemetry, workload_identity
from infra.aws.api import Api
from infra.aws.cluster import Cluster
from infra.aws.database import Instance, Table, TableArgs
from infra.aws.databases import Databases
from infra.aws.entrance import Entrance, EntranceArgs
from infra.aws.load_balancer import LoadBalancer
from infra.aws.messaging import Queue, QueueArgs, Subscription, Topic, TopicArgs
from infra.aws.network import Network
from infra.aws.observability import Watch, WatchArgs, WatchedPods
from infra.aws.people import People
from infra.aws.workload_identity import Statement, WorkloadIdentity, WorkloadIdentityArgs
from infra.catalogue import Route, Scale, ServiceSpec
from infra.kubernetes import labels
from infra.kubernetes.jobs import BootstrapArgs
from infra.kubernetes.platform import Platform
from infra.kubernetes.pods import CERTIFICATES_FILE, PORT
from infra.kubernetes.workload import SHUTDOWN_SECONDS, Workload, WorkloadArgs

ADDRESSES = {
    "postgres": "postgresql://{0}@{1}:{2}/{0}?sslmode=verify-full",
    "mysql": "mysql://{0}@{1}:{2}/{0}?ssl-mode=VERIFY_IDENTITY",
}
"""Engine -> where user {0} finds the database of that name; the client checks the server's certificate and name."""

Environment = dict[str, Input[str]]


def topics(services: Sequence[ServiceSpec], opts: ResourceOptions) -> dict[str, Topic]:
    """The topic of each publishing service. All are there before the first queue subscribes."""
    return {
        spec.name: Topic(f"{spec.name}-topic", TopicArgs(service=spec.name), opts)
        for spec in services
        if spec.publishes
    }


@dataclass(frozen=True, kw_only=True)
class Foundation:
    """What all services of an environment stand on."""

    environment: str
    """The name of the environment: dev, staging, prod."""
    prefix: str
    region: str
    account: str
    permissions_boundary_arn: str | None
    """The limit of what roles may do (infra/environment.yaml)."""
    namespace: str
    network: Network
    cluster: Cluster
    platform: Platform
    databases: Databases
    people: People
    load_balancer: LoadBalancer
    api: Api
    topics: Mapping[str, Topic]
    """Publishing service -> its topic."""
    bootstrap_image: Input[str]
    """By digest: makes the database and the role of a service."""
    alarm_topic_arn: Input[str]
    collects: bool
    """Whether there is a collector of traces and metrics in the cluster."""
    container_insights: bool
    dashboards: bool


@dataclass(frozen=True, kw_only=True)
class ServiceArgs:
    spec: ServiceSpec
    image: Input[str]
    """By digest."""
    foundation: Foundation
    subscriptions: Mapping[str, Sequence[str]]
    """Publishing service -> the event types that this service wants of it."""
    callers: Sequence[str]
    scale: Scale


class Service(pulumi.ComponentResource):
    """A database, a topic, a queue, an identity that reaches these alone, routes, a workload, and an eye on it all."""

    routes: list[tuple[Route, Resource]]
    """Each declared route, and the resource that it became."""
    dashboard_url: str | None

    def __init__(self, name: str, args: ServiceArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("shop:aws:Service", name, None, opts)
        self._args, self._spec, self._on = args, args.spec, args.foundation
        self._child = ResourceOptions(parent=self)
        self._may: list[Statement] = []
        self._environment: Environment = self._basics()
        self._instance: Instance | None = None
        self._table: Table | None = None
        self._queue: Queue | None = None
        self._entrance = self._enter() if self._spec.routes else None
        self.routes = list(zip(self._spec.routes, self._entrance.routes, strict=True)) if self._entrance else []
        self._data()
        self._messages()
        if self._spec.identity == "admin":
            self._may += workload_identity.administer_people(self._on.people.pool_arn)
            self._environment["USER_POOL_ID"] = self._on.people.pool_id
        self._run()
        self.dashboard_url = self._watch().dashboard_url
        self.register_outputs({"dashboard_url": self.dashboard_url})

    def _basics(self) -> Environment:
        on = self._on
        return {
            "AWS_DEFAULT_REGION": on.region,
            "AWS_REGION": on.region,
            "ENVIRONMENT": on.environment,
            "HOST": "0.0.0.0",  # noqa: S104 (the network policy says who reaches it)
            "LOG_LEVEL": "INFO",
            "PORT": str(PORT),
            "SERVICE_NAME": self._spec.name,
            "SERVICE_VERSION": Output.from_input(self._args.image).apply(labels.short_digest),
            "SHUTDOWN_SECONDS": str(SHUTDOWN_SECONDS),
            "TOKEN_AUDIENCE": on.people.client_id,
            "TOKEN_ISSUER": on.people.issuer,
            "TOKEN_JWKS_URL": on.people.jwks_url,
            **{variables.of_call(callee): f"http://{callee}:{PORT}" for callee in self._spec.calls},
            **({"OTEL_EXPORTER_OTLP_ENDPOINT": telemetry.ENDPOINT} if on.collects else {}),
        }

    def _enter(self) -> Entrance:
        on = self._on
        args = EntranceArgs(
            service=self._spec.name,
            routes=self._spec.routes,
            api=on.api,
            load_balancer=on.load_balancer,
            vpc_id=on.network.vpc_id,
            cluster_name=on.prefix,
        )
        return Entrance(f"{self._spec.name}-entrance", args, self._child)

    def _data(self) -> None:
        database, on, name = self._spec.database, self._on, self._spec.name
        if database is None:
            return
        if database.engine == "dynamodb":
            self._table = Table(
                f"{name}-table",
                TableArgs(kms_key_arn=on.databases.kms_key_arn, protected=on.databases.protected, service=name),
                self._child,
            )
            self._environment["TABLE_NAME"] = self._table.name
            self._may += workload_identity.use_table(self._table.arn, on.databases.kms_key_arn)
            return
        self._instance = on.databases.instance(f"{name}-database", database.engine, tags.of_service(name), self._child)
        user = self._spec.module
        self._environment |= {
            "DATABASE_IAM_AUTH": "true",
            "DATABASE_POOL_SIZE": str(database.connections),
            "DATABASE_URL": Output.format(
                ADDRESSES[database.engine], user, self._instance.address, self._instance.port
            ),
            "PGSSLROOTCERT": CERTIFICATES_FILE,
        }
        self._may += workload_identity.connect_to_database(
            region=on.region,
            account=on.account,
            resource_id=self._instance.resource_id,
            user=user,
        )

    def _messages(self) -> None:
        name, declared = self._spec.name, self._spec.queue
        if self._spec.publishes:
            topic_arn = self._on.topics[name].arn
            self._environment["TOPIC_ARN"] = topic_arn
            self._may += workload_identity.publish_to(topic_arn)
        if self._spec.subscribes:
            subscriptions = {
                publisher: Subscription(topic_arn=self._on.topics[publisher].arn, event_types=event_types)
                for publisher, event_types in self._args.subscriptions.items()
            }
            self._queue = Queue(
                f"{name}-queue",
                QueueArgs(
                    service=name,
                    max_deliveries=declared.max_deliveries,
                    visibility_seconds=declared.visibility_seconds,
                    subscriptions=subscriptions,
                ),
                self._child,
            )
            self._environment["QUEUE_URL"] = self._queue.url
            self._environment["QUEUE_VISIBILITY_SECONDS"] = str(declared.visibility_seconds)
            self._may += workload_identity.consume_from(self._queue.arn)

    def _identity(self, service_account: str, statements: Sequence[Statement]) -> WorkloadIdentity:
        on = self._on
        args = WorkloadIdentityArgs(
            cluster_name=on.cluster.name,
            # By name, so that roles are there before the cluster is: only the association has to wait for it.
            cluster_arn=f"arn:aws:eks:{on.region}:{on.account}:cluster/{on.prefix}",
            account=on.account,
            namespace=on.namespace,
            service=self._spec.name,
            service_account=service_account,
            permissions_boundary_arn=on.permissions_boundary_arn,
            statements=statements,
        )
        return WorkloadIdentity(f"{service_account}-identity", args, self._child)

    def _bootstrap(self, instance: Instance) -> BootstrapArgs:
        on, user = self._on, self._spec.module
        secret = workload_identity.read_secret(instance.master_secret_arn, on.databases.kms_key_arn)
        identity = self._identity(f"{self._spec.name}-bootstrap", secret)
        assert self._spec.database  # noqa: S101 (it has an instance)
        return BootstrapArgs(
            image=on.bootstrap_image,
            environment={
                "AWS_REGION": on.region,
                "DATABASE_CA_FILE": CERTIFICATES_FILE,
                "DATABASE_ENGINE": self._spec.database.engine,
                "DATABASE_HOST": instance.address,
                "DATABASE_NAME": user,
                "DATABASE_PORT": str(instance.port),
                "DATABASE_USER": user,
                "MASTER_SECRET_ARN": instance.master_secret_arn,
            },
            identity=[identity, instance.reachable],
        )

    def _run(self) -> None:
        args, spec, on = self._args, self._spec, self._on
        Workload(
            spec.name,
            WorkloadArgs(
                service=spec.name,
                namespace=on.platform.namespace,
                image=args.image,
                environment=self._environment,
                scale=args.scale,
                cpu_millis=spec.resources.cpu_millis,
                memory_mib=spec.resources.memory_mib,
                calls=spec.calls,
                callers=args.callers,
                load_balancer_cidrs=on.network.entrance_cidrs if self._entrance else [],
                target_group_arn=self._entrance.target_group_arn if self._entrance else None,
                database_cidrs=on.network.database_cidrs if self._instance else [],
                database_port=self._instance.port if self._instance else None,
                certificates_config_map=on.platform.certificates_config_map if self._instance else None,
                telemetry_port=telemetry.PORT if on.collects else None,
                migrates=self._instance is not None,
                bootstrap=self._bootstrap(self._instance) if self._instance else None,
                identity=[self._identity(spec.name, self._may)] if self._may else [],
                needs=on.platform.ready,
            ),
            self._child,
        )

    def _watch(self) -> Watch:
        on = self._on
        # Who watches an instance that services share: the environment.
        own_instance = self._instance if self._instance not in on.databases.shared.values() else None
        return Watch(
            f"{self._spec.name}-watch",
            WatchArgs(
                service=self._spec.name,
                prefix=on.prefix,
                region=on.region,
                alarm_topic_arn=on.alarm_topic_arn,
                load_balancer_arn_suffix=on.load_balancer.arn_suffix,
                target_group_arn_suffix=self._entrance.target_group_arn_suffix if self._entrance else None,
                queue_name=self._queue.name if self._queue else None,
                dead_letter_name=self._queue.dead_letter_name if self._queue else None,
                dashboard=on.dashboards,
                database=on.databases.watched(own_instance) if own_instance else None,
                pods=WatchedPods(cluster_name=on.cluster.name, namespace=on.namespace)
                if on.container_insights
                else None,
                table_name=self._table.name if self._table else None,
            ),
            self._child,
        )
