"""Services to plan, and short names for what comes out."""

from dataclasses import replace
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from infra.capabilities.processes.declaration import Scale
from infra.contract import Binding, Egress, Files, ForeignTask, Pods, Task
from infra.kubernetes.workload import Workload, WorkloadArgs
from plans.planned import Plan, Planned, plan

DIGEST, BOOTSTRAP_DIGEST = "0123456789abcdef" * 4, "fedcba9876543210" * 4
IMAGE, BOOTSTRAP_IMAGE = f"registry/shop/orders@sha256:{DIGEST}", f"registry/shop/bootstrap@sha256:{BOOTSTRAP_DIGEST}"
TARGET_GROUP = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/orders/1"

DATABASE = Egress(to=["10.0.224.0/21"], port=5432)
ROOTS = Files(volume="rds-roots", config_map="rds-roots", directory="/etc/rds")
BOOTSTRAP = ForeignTask(
    name="bootstrap",
    arguments=(),
    egress=[DATABASE],
    image=BOOTSTRAP_IMAGE,
    variables={"DATABASE_NAME": "orders"},
    statements=(),
    files=[ROOTS],
    cpu_millis=50,
    memory_mib=128,
    ready=(),
)
MIGRATION = Task(name="migration", arguments=("migrate",), egress=[DATABASE])
FULL = WorkloadArgs(
    service="orders",
    namespace="shop",
    image=IMAGE,
    binding=Binding(
        variables={"SERVICE_NAME": "orders", "PORT": "8080", "HOST": "0.0.0.0"},  # noqa: S104
        ingress=["10.0.192.0/21", "10.0.200.0/21", Pods("otel-collector", "collector"), Pods("storefront")],
        egress=[
            DATABASE,
            Egress(to=[Pods("pricing"), Pods("catalog")], port=8080),
            Egress(to=[Pods("otel-collector", "collector")], port=4318),
        ],
        drain_seconds=30,
        target_group_arns=[TARGET_GROUP],
        files=[ROOTS],
        tasks=[BOOTSTRAP, MIGRATION],
    ),
    scale=Scale(min=2, max=10, cpu_percent=70),
    cpu_millis=100,
    memory_mib=256,
    identities={},
)
LEAST = WorkloadArgs(
    service="pricing",
    namespace="shop",
    image=IMAGE,
    binding=Binding(),
    scale=Scale(),
    cpu_millis=50,
    memory_mib=64,
    identities={},
)


def with_binding(args: WorkloadArgs, **changed: Any) -> WorkloadArgs:
    return replace(args, binding=replace(args.binding, **changed))


def planned(args: WorkloadArgs) -> Plan:
    return plan(lambda: _make(args))


def _make(args: WorkloadArgs) -> None:
    Workload(args.service, args)


def planned_in_order(args: WorkloadArgs) -> Plan:
    """With stand-ins for nodes and for the pod identity associations of the service and of its bootstrap."""

    def program() -> None:
        nodes, identity, bootstrap_identity = (
            k8s.core.v1.ConfigMap(name) for name in ("nodes", "identity", "bootstrap-identity")
        )
        identities: dict[str, pulumi.Resource] = {
            args.service: identity,
            f"{args.service}-bootstrap": bootstrap_identity,
        }
        Workload(args.service, replace(with_binding(args, ready=[nodes]), identities=identities))

    return plan(program)


def pod_of(resource: Planned) -> dict[str, Any]:
    """The pod template of a Deployment or a Job."""
    template: dict[str, Any] = resource.inputs["spec"]["template"]
    return template


def names(recorded: Plan, resource: Planned) -> set[str]:
    """Kind and name of all that has to be there before: `Job orders-migration`."""
    needed = (recorded.by_urn[urn] for urn in recorded.needs(resource) if urn in recorded.by_urn)
    return {f"{each.type.rpartition(':')[2]} {each.name}" for each in needed if not each.is_component}


def secrets(recorded: Plan) -> set[str]:
    return {name for each in recorded.resources for name in each.secrets}
