"""What the planned pods ask of nodes."""

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from plans.planned import Plan

DEPLOYMENT, AUTOSCALER = "kubernetes:apps/v1:Deployment", "kubernetes:autoscaling/v2:HorizontalPodAutoscaler"
NODE_POOL = "kubernetes:karpenter.sh/v1:NodePool"
SPREAD = ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
BYTES = {"": 1, "K": 1000, "M": 1000**2, "G": 1000**3, "Ki": 1024, "Mi": 1024**2, "Gi": 1024**3}
QUANTITY = re.compile(r"(\d+(?:\.\d+)?)([A-Za-z]*)")


@dataclass(frozen=True)
class Pods:
    """All pods of all Deployments at their least, and on what nodes they may run."""

    count: int
    cpu_millis: int
    memory_mib: int
    spread: int
    """The most replicas of one Deployment that should not share a node or a zone."""
    spot: bool
    arm64: bool
    burstable: bool


def pods(plan: Plan) -> Pods:
    """Replicas are the autoscaler's minimum, or the Deployment's own number.

    Raises:
        ValueError: for a quantity that Kubernetes would not take, or a container without requests.
    """
    least = {_target(each.inputs): int(each.inputs["spec"]["minReplicas"]) for each in plan.of_type(AUTOSCALER)}
    count = cpu = memory = spread = 0
    for each in plan.of_type(DEPLOYMENT):
        spec, metadata = each.inputs["spec"], each.inputs["metadata"]
        replicas = least.get((metadata.get("namespace"), metadata.get("name")), int(spec.get("replicas", 1)))
        pod = spec["template"]["spec"]
        if any(each["topologyKey"] in SPREAD for each in pod.get("topologySpreadConstraints") or []):
            spread = max(spread, replicas)
        for container in pod["containers"]:
            requests = (container.get("resources") or {}).get("requests") or {}
            if not {"cpu", "memory"} <= set(requests):
                raise ValueError(f"container {container['name']} of {each.name} does not request cpu and memory")
            cpu += replicas * cpu_millis(requests["cpu"])
            memory += replicas * memory_mib(requests["memory"])
        count += replicas
    wanted = [
        requirement
        for pool in plan.of_type(NODE_POOL)
        for requirement in pool.inputs["spec"]["template"]["spec"]["requirements"]
    ]
    return Pods(
        count=count,
        cpu_millis=cpu,
        memory_mib=memory,
        spread=spread,
        spot=_allows(wanted, "karpenter.sh/capacity-type", "spot"),
        arm64=_allows(wanted, "kubernetes.io/arch", "arm64"),
        burstable=_allows(wanted, "eks.amazonaws.com/instance-category", "t"),
    )


def cpu_millis(quantity: str | float) -> int:
    """Thousandths of a core: 100 of `100m`, 500 of `0.5`."""
    number, unit = _parts(quantity)
    if unit not in ("", "m"):
        raise ValueError(f"`{quantity}` is no amount of processors")
    return math.ceil(number if unit == "m" else number * 1000)


def memory_mib(quantity: str | float) -> int:
    """MiB, rounded up: 256 of `256Mi`, 1024 of `1Gi`."""
    number, unit = _parts(quantity)
    if unit not in BYTES:
        raise ValueError(f"`{quantity}` is no amount of memory")
    return math.ceil(number * BYTES[unit] / 1024**2)


def _parts(quantity: str | float) -> tuple[Decimal, str]:
    found = QUANTITY.fullmatch(str(quantity))
    if not found:
        raise ValueError(f"`{quantity}` is no quantity")
    return Decimal(found[1]), found[2]


def _target(autoscaler: dict[str, Any]) -> tuple[Any, Any]:
    return autoscaler["metadata"].get("namespace"), autoscaler["spec"]["scaleTargetRef"]["name"]


def _allows(requirements: list[dict[str, Any]], key: str, value: str) -> bool:
    return any(each["key"] == key and value in (each.get("values") or []) for each in requirements)
