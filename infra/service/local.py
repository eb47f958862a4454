"""Everything one service is on the laptop: a fold over what its capabilities give it."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi import ResourceOptions

from infra.capabilities.calls.local import Calls
from infra.capabilities.database.local import Databases
from infra.capabilities.messages.local import Messages
from infra.capabilities.people.local import People
from infra.capabilities.processes.local import Code, code_of
from infra.capabilities.table.local import Tables
from infra.contract import Binding, Task, combined, of_every_service
from infra.local.cloud import REGION
from infra.local.foundation import Capability, Foundation
from infra.local.processes import Job, JobArgs, Port, Process, ProcessArgs
from infra.service.catalogue import ServiceSpec

CAPABILITIES: Sequence[type[Capability]] = (Databases, Tables, Messages, People, Calls)
"""What a service can declare. Its processes are below; routes are the gateway's (infra/local/edge.py)."""


@dataclass(frozen=True, kw_only=True)
class ServiceArgs:
    spec: ServiceSpec
    on: Foundation
    capabilities: Sequence[Capability]


class Service(pulumi.ComponentResource):
    """What it declares, its tasks, and a process."""

    url: pulumi.Output[str]
    missing: str | None = None
    """Why there is no process. The rest is there, and who calls it finds nobody: a case that callers know."""

    def __init__(self, name: str, args: ServiceArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("shop:local:Service", name, None, opts)
        self._name, self._on = name, args.on
        code = code_of(args.spec, args.on, self)
        port = Port(f"{name}-port", ResourceOptions(parent=self)).number
        self.url = port.apply(lambda number: f"http://127.0.0.1:{number}")
        declared = [capability.bind(args.spec, self) for capability in args.capabilities]
        binding = combined([self._basics(port, code), args.on.platform.binding, code.binding, *declared])
        self.missing = code.missing
        if self.missing:
            pulumi.log.warn(f"`{name}` is not started: {self.missing}. Who calls it goes on without it.")
        else:
            self._run(code, binding, port)
        self.register_outputs({"url": self.url})

    def _basics(self, port: pulumi.Output[int], code: Code) -> Binding:
        return of_every_service(
            environment="local",
            host="127.0.0.1",
            name=self._name,
            port=port.apply(str),
            region=REGION,
            tokens=self._on.people.tokens,
            version=code.version,
        )

    def _run(self, code: Code, binding: Binding, port: pulumi.Output[int]) -> None:
        needed = list(binding.ready)
        for task in binding.tasks:
            needed.append(self._task(task, code, binding, needed))
        args = ProcessArgs(
            name=self._name,
            command=code.command,
            directory=code.directory,
            environment=binding.variables,
            port=port,
            supervisor=self._on.platform.run,
            version=code.version,
            ready="/readyz",
        )
        Process(self._name, args, ResourceOptions(parent=self, depends_on=needed))

    def _task(self, task: Task, code: Code, binding: Binding, needed: Sequence[pulumi.Resource]) -> Job:
        args = JobArgs(
            name=f"{self._name}-{task.name}",
            command=[*code.command, *task.arguments],
            directory=code.directory,
            environment=binding.variables,
            version=code.version,
        )
        return Job(args.name, args, ResourceOptions(parent=self, depends_on=list(needed)))
