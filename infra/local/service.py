"""Everything one service is on the laptop, from its declaration."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pulumi
from pulumi import ResourceOptions

from infra import variables
from infra.catalogue import ServiceSpec
from infra.local import code
from infra.local.databases import Database
from infra.local.messaging import Queue, Subscription, Topic
from infra.local.platform import People, Platform, cloud_environment
from infra.local.processes import Job, JobArgs, Port, Process, ProcessArgs
from infra.local.tables import Table

SHUTDOWN_SECONDS = 20
SCHEMES = {"postgres": "postgresql", "mysql": "mysql"}
Environment = dict[str, pulumi.Input[str]]


def topics(platform: Platform, prefix: str, services: list[ServiceSpec], parent: pulumi.Resource) -> dict[str, Topic]:
    """The topic of each publishing service. All are there before the first queue subscribes."""
    up = ResourceOptions(parent=parent, depends_on=[platform.emulator])
    return {spec.name: Topic(f"{prefix}-{spec.name}", platform.endpoint, up) for spec in services if spec.publishes}


@dataclass(frozen=True, kw_only=True)
class ServiceArgs:
    spec: ServiceSpec
    source: Path
    """The folder of all services."""
    prefix: str
    platform: Platform
    people: People
    topics: Mapping[str, Topic]
    """Publishing service -> its topic."""
    subscriptions: Mapping[str, list[str]]
    """Publishing service -> the event types that this service wants of it."""
    addresses: Mapping[str, pulumi.Input[str]]
    """Called service -> where it answers."""


class Service(pulumi.ComponentResource):
    """A database or table, a topic, a queue with its dead-letter queue, a migration and a process."""

    url: pulumi.Output[str]
    missing: str | None = None
    """Why there is no process. The rest is there, and who calls it finds nobody: a case that callers know."""

    def __init__(self, name: str, args: ServiceArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("shop:local:Service", name, None, opts)
        self._args, self._spec = args, args.spec
        self._code = self._written_in(args.spec.language)
        port = Port(f"{name}-port", ResourceOptions(parent=self)).number
        self.url = port.apply(lambda number: f"http://127.0.0.1:{number}")
        self._needed: list[pulumi.Resource] = [args.platform.supervisor, *self._code.needs]
        environment: Environment = {
            **self._basics(port),
            **args.people.environment(),
            **cloud_environment(args.platform.endpoint),
            **self._calls(),
            **self._data(),
            **({"TOPIC_ARN": args.topics[name].arn} if self._spec.publishes else {}),
            **(self._queue() if self._spec.subscribes else {}),
            **({"USER_POOL_ID": args.people.pool_id} if self._spec.identity == "admin" else {}),
        }
        self.missing = self._code.missing
        if self.missing:
            pulumi.log.warn(f"`{name}` is not started: {self.missing}. Who calls it goes on without it.")
        else:
            self._run(environment, port)
        self.register_outputs({"url": self.url})

    def _written_in(self, language: str) -> code.Code:
        if language == "go":
            return code.go(self._spec, self._args.source, self._args.platform.binaries, self)
        return code.python(self._spec, self._args.source)

    def _basics(self, port: pulumi.Output[int]) -> Environment:
        return {
            "ENVIRONMENT": "local",
            "HOST": "127.0.0.1",
            "LOG_LEVEL": "INFO",
            "PORT": port.apply(str),
            "SERVICE_NAME": self._spec.name,
            "SERVICE_VERSION": self._code.version,
            "SHUTDOWN_SECONDS": str(SHUTDOWN_SECONDS),
            **self._code.environment,
        }

    def _calls(self) -> Environment:
        return {variables.of_call(callee): self._args.addresses[callee] for callee in self._spec.calls}

    def _data(self) -> Environment:
        database, platform = self._spec.database, self._args.platform
        if database is None:
            return {}
        if not database.relational:
            up = ResourceOptions(parent=self, depends_on=[platform.emulator])
            table = Table(f"{self._args.prefix}-{self._spec.name}", platform.endpoint, up)
            return {"TABLE_NAME": table.name}
        name, server = self._spec.module, platform.servers[database.engine]
        up = ResourceOptions(parent=self, depends_on=[server.process])
        made = Database(name, server.cluster, server.port, up)
        url = pulumi.Output.format("{0}://{1}@127.0.0.1:{2}/{1}", SCHEMES[database.engine], name, server.port)
        return {
            "DATABASE_URL": url,
            "DATABASE_PASSWORD": made.password,
            "DATABASE_POOL_SIZE": str(database.connections),
        }

    def _queue(self) -> Environment:
        args, declared = self._args, self._spec.queue
        up = ResourceOptions(parent=self, depends_on=[args.platform.emulator])
        endpoint, name = args.platform.endpoint, f"{args.prefix}-{self._spec.name}"
        queue = Queue(name, endpoint, declared.max_deliveries, declared.visibility_seconds, up)
        self._needed += [
            Subscription(f"{name}-from-{publisher}", endpoint, args.topics[publisher], queue, event_types, up)
            for publisher, event_types in args.subscriptions.items()
        ]
        return {"QUEUE_URL": queue.url, "QUEUE_VISIBILITY_SECONDS": str(declared.visibility_seconds)}

    def _run(self, environment: Environment, port: pulumi.Output[int]) -> None:
        name, folder = self._spec.name, str(self._args.source / self._spec.name)
        if self._spec.database and self._spec.database.relational:
            migration = Job(
                f"{name}-migration",
                JobArgs(
                    name=f"{name}-migration",
                    command=[*self._code.command, "migrate"],
                    directory=folder,
                    environment=environment,
                    version=self._code.version,
                ),
                ResourceOptions(parent=self, depends_on=self._needed),
            )
            self._needed.append(migration)
        Process(
            name,
            ProcessArgs(
                name=name,
                command=self._code.command,
                directory=folder,
                environment=environment,
                port=port,
                supervisor=self._args.platform.run,
                version=self._code.version,
                ready="/readyz",
            ),
            ResourceOptions(parent=self, depends_on=self._needed),
        )
