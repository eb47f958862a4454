"""Everything one service is on AWS: a fold over what its capabilities give it."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi import Input, Output, ResourceOptions

from infra.aws.foundation import Capability, Foundation
from infra.aws.observability import Watch, WatchArgs
from infra.aws.workload_identity import WorkloadIdentity, WorkloadIdentityArgs
from infra.capabilities.calls.aws import Calls
from infra.capabilities.database.aws import Databases
from infra.capabilities.messages.aws import Messages
from infra.capabilities.people.aws import People
from infra.capabilities.processes.aws import Processes
from infra.capabilities.processes.declaration import Scale
from infra.capabilities.routes.aws import Routes
from infra.capabilities.table.aws import Tables
from infra.contract import Binding, ForeignTask, Statement, combined, of_every_service
from infra.kubernetes import labels
from infra.kubernetes.pods import PORT
from infra.kubernetes.workload import Workload, WorkloadArgs
from infra.service.catalogue import ServiceSpec

CAPABILITIES: Sequence[type[Capability]] = (Routes, Databases, Tables, Messages, People, Calls, Processes)
"""What a service can declare, in the order of the charts on its dashboard."""


@dataclass(frozen=True, kw_only=True)
class ServiceArgs:
    spec: ServiceSpec
    image: Input[str]
    """By digest."""
    scale: Scale
    """In this environment."""
    on: Foundation
    capabilities: Sequence[Capability]


class Service(pulumi.ComponentResource):
    """What it declares, an identity that reaches this alone, a workload, and an eye on it all."""

    dashboard_url: str | None

    def __init__(self, name: str, args: ServiceArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("shop:aws:Service", name, None, opts)
        self._args, self._child = args, ResourceOptions(parent=self)
        declared = [capability.bind(args.spec, self._child) for capability in args.capabilities]
        on = args.on
        binding = combined([self._basics(), Binding(ready=on.platform.ready), *declared, on.telemetry])
        self._run(binding)
        self.dashboard_url = self._watch(binding).dashboard_url
        self.register_outputs({"dashboard_url": self.dashboard_url})

    def _basics(self) -> Binding:
        on = self._args.on
        return of_every_service(
            environment=on.environment.name,
            host="0.0.0.0",  # noqa: S104 (the network policy says who reaches it)
            name=self._args.spec.name,
            port=str(PORT),
            region=on.environment.region,
            tokens=on.people.tokens,
            version=Output.from_input(self._args.image).apply(labels.short_digest),
        )

    def _identity(self, account: str, statements: Sequence[Statement]) -> WorkloadIdentity:
        args = WorkloadIdentityArgs(
            environment=self._args.on.environment,
            cluster_name=self._args.on.cluster.name,
            namespace=self._args.on.platform.namespace_name,
            service=self._args.spec.name,
            service_account=account,
            statements=statements,
        )
        return WorkloadIdentity(f"{account}-identity", args, self._child)

    def _run(self, binding: Binding) -> None:
        spec = self._args.spec
        statements = {
            spec.name: binding.statements,
            **{f"{spec.name}-{task.name}": task.statements for task in binding.tasks if isinstance(task, ForeignTask)},
        }
        args = WorkloadArgs(
            service=spec.name,
            namespace=self._args.on.platform.namespace,
            image=self._args.image,
            binding=binding,
            scale=self._args.scale,
            cpu_millis=spec.resources.cpu_millis,
            memory_mib=spec.resources.memory_mib,
            identities={
                account: self._identity(account, allowed) for account, allowed in statements.items() if allowed
            },
        )
        Workload(spec.name, args, self._child)

    def _watch(self, binding: Binding) -> Watch:
        on, name = self._args.on, self._args.spec.name
        args = WatchArgs(
            environment=on.environment,
            service=name,
            alarm_topic_arn=on.alarm_topic_arn,
            dashboard=on.dashboards,
            charts=binding.charts,
            alarms=binding.alarms,
        )
        return Watch(f"{name}-watch", args, self._child)
