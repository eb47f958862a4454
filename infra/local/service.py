"""Everything one service is on the laptop, from its declaration."""

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pulumi
from pulumi import ResourceOptions

from infra.catalogue import ServiceSpec
from infra.catalogue_checks import Problem
from infra.fingerprint import fingerprint
from infra.local.databases import Database
from infra.local.messaging import Queue, Subscription, Topic
from infra.local.platform import ROOT, People, Platform, cloud_environment
from infra.local.processes import Job, JobArgs, Port, Process, ProcessArgs

SHUTDOWN_SECONDS = 20
Environment = dict[str, pulumi.Input[str]]


def not_here(services: Iterable[ServiceSpec]) -> list[Problem]:
    """What is declared and cannot run on the laptop."""
    found = []
    for spec in services:
        file = f"services/{spec.name}/service.yaml"
        if spec.language != "python":
            found.append(Problem(file, "language", spec.language, "does not run on the laptop yet: `python` does"))
        if spec.database and spec.database.engine != "postgres":
            remedy = "does not run on the laptop yet: `postgres` does"
            found.append(Problem(file, "database.engine", spec.database.engine, remedy))
    return found


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
    """A database, a topic, a queue with its dead-letter queue, a migration and a process."""

    url: pulumi.Output[str]

    def __init__(self, name: str, args: ServiceArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("shop:local:Service", name, None, opts)
        self._args, self._spec = args, args.spec
        port = Port(f"{name}-port", ResourceOptions(parent=self)).number
        self.url = port.apply(lambda number: f"http://127.0.0.1:{number}")
        self._needed: list[pulumi.Resource] = [args.platform.supervisor]
        environment: Environment = {
            **self._basics(port),
            **args.people.environment(),
            **cloud_environment(args.platform.endpoint),
            **self._calls(),
            **(self._database() if self._spec.database else {}),
            **({"TOPIC_ARN": args.topics[name].arn} if self._spec.publishes else {}),
            **(self._queue() if self._spec.subscribes else {}),
            **({"USER_POOL_ID": args.people.pool_id} if self._spec.identity == "admin" else {}),
        }
        self._process(environment, port)
        self.register_outputs({"url": self.url})

    def _basics(self, port: pulumi.Output[int]) -> Environment:
        source = self._args.source
        self._fingerprint = fingerprint(source / self._spec.name, source / "chassis", ROOT / "uv.lock")
        return {
            "ENVIRONMENT": "local",
            "HOST": "127.0.0.1",
            "LOG_LEVEL": "INFO",
            "PATH": os.defpath,
            "PORT": port.apply(str),
            "PYTHONPATH": f"{source / self._spec.name}:{source / 'chassis'}",
            "PYTHONUNBUFFERED": "1",
            "SERVICE_NAME": self._spec.name,
            "SERVICE_VERSION": self._fingerprint,
            "SHUTDOWN_SECONDS": str(SHUTDOWN_SECONDS),
        }

    def _calls(self) -> Environment:
        return {f"{callee.upper().replace('-', '_')}_URL": self._args.addresses[callee] for callee in self._spec.calls}

    def _database(self) -> Environment:
        platform, name = self._args.platform, self._spec.module
        database = Database(
            name,
            platform.database,
            platform.database_port,
            ResourceOptions(parent=self, depends_on=[platform.postgres]),
        )
        self._needed.append(database)
        url = pulumi.Output.format("postgresql://{0}@127.0.0.1:{1}/{0}", name, platform.database_port)
        return {"DATABASE_URL": url, "DATABASE_PASSWORD": database.password}

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

    def _process(self, environment: Environment, port: pulumi.Output[int]) -> None:
        name, folder = self._spec.name, str(self._args.source / self._spec.name)
        command = [sys.executable, "-m", self._spec.module]
        if self._spec.database:
            migration = Job(
                f"{name}-migration",
                JobArgs(
                    name=f"{name}-migration",
                    command=[*command, "migrate"],
                    directory=folder,
                    environment=environment,
                    version=self._fingerprint,
                ),
                ResourceOptions(parent=self, depends_on=self._needed),
            )
            self._needed.append(migration)
        Process(
            name,
            ProcessArgs(
                name=name,
                command=command,
                directory=folder,
                environment=environment,
                port=port,
                supervisor=self._args.platform.run,
                version=self._fingerprint,
                ready="/readyz",
            ),
            ResourceOptions(parent=self, depends_on=self._needed),
        )
