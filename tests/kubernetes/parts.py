"""Services to plan, and short names for what comes out."""

from dataclasses import replace
from typing import Any

import pulumi_kubernetes as k8s

from infra.catalogue import Scale
from infra.kubernetes.jobs import BootstrapArgs
from infra.kubernetes.workload import Workload, WorkloadArgs
from plans.planned import Plan, Planned, plan

DIGEST, BOOTSTRAP_DIGEST = "0123456789abcdef" * 4, "fedcba9876543210" * 4
IMAGE, BOOTSTRAP_IMAGE = f"registry/shop/orders@sha256:{DIGEST}", f"registry/shop/bootstrap@sha256:{BOOTSTRAP_DIGEST}"
TARGET_GROUP = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/orders/1"

FULL = WorkloadArgs(
    service="orders",
    namespace="shop",
    image=IMAGE,
    environment={"SERVICE_NAME": "orders", "PORT": "8080", "HOST": "0.0.0.0"},  # noqa: S104
    scale=Scale(min=2, max=10, cpu_percent=70),
    cpu_millis=100,
    memory_mib=256,
    calls=["pricing", "catalog"],
    callers=["storefront"],
    load_balancer_cidrs=["10.0.192.0/21", "10.0.200.0/21"],
    target_group_arn=TARGET_GROUP,
    database_cidrs=["10.0.224.0/21"],
    database_port=5432,
    certificates_config_map="rds-roots",
    telemetry_port=4318,
    migrates=True,
    bootstrap=BootstrapArgs(image=BOOTSTRAP_IMAGE, environment={"DATABASE_NAME": "orders"}, identity=()),
    identity=(),
    needs=(),
)
LEAST = WorkloadArgs(
    service="pricing",
    namespace="shop",
    image=IMAGE,
    environment={},
    scale=Scale(),
    cpu_millis=50,
    memory_mib=64,
    calls=(),
    callers=(),
    load_balancer_cidrs=(),
    target_group_arn=None,
    database_cidrs=(),
    database_port=None,
    certificates_config_map=None,
    telemetry_port=None,
    migrates=False,
    bootstrap=None,
    identity=(),
    needs=(),
)


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
        bootstrap = args.bootstrap and replace(args.bootstrap, identity=[bootstrap_identity])
        Workload(args.service, replace(args, needs=[nodes], identity=[identity], bootstrap=bootstrap))

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
