"""Whether all the connections that the catalogue may open fit into the databases of an environment."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from infra.aws.instance_classes import max_connections
from infra.capabilities.processes.declaration import Scale
from infra.declaration.problems import Problem
from infra.kubernetes.workload import SURGE_PERCENT
from infra.service.catalogue import ServiceSpec

RESERVED = 10
"""Not for services: five that PostgreSQL and RDS keep for administrators, RDS's own, and a person who looks."""


def over_connections(
    services: Iterable[ServiceSpec], instance_class: str, shared: bool, bounded: Callable[[Scale], Scale]
) -> list[Problem]:
    """What of this catalogue would be refused connections, each with the way out.

    Counted is every process that an autoscaler may start, with all the connections it may open, and those processes
    that a new version adds before old ones leave. A Job has one connection, at a time when its service has none added.
    Not counted is who leaves: it keeps what it has for up to a minute (pods.grace_seconds). When all services get a new
    version while all of them are as busy as they may be, some requests can be answered 503 for so long.

    Args:
        shared: whether services share one instance for each engine.
        bounded: a declared scale -> that of this environment.
    """
    opened = [
        (spec.name, spec.relational_engine, most_connections(spec, bounded(spec.scale)))
        for spec in services
        if spec.relational_engine
    ]
    return list(_of_shared(opened, instance_class) if shared else _of_own(opened, instance_class))


def most_connections(spec: ServiceSpec, scale: Scale) -> int:
    """What a service may open altogether: none without a relational database."""
    if spec.database is None or spec.relational_engine is None:
        return 0
    added = -(-scale.max * SURGE_PERCENT // 100)  # Kubernetes rounds up
    return (scale.max + added) * spec.database.connections


Opened = Sequence[tuple[str, str, int]]
"""Service, engine, connections."""


def _of_shared(opened: Opened, instance_class: str) -> Iterator[Problem]:
    for engine in sorted({engine for _, engine, _ in opened}):
        of_each = {name: number for name, used, number in opened if used == engine}
        most = max_connections(engine, instance_class)
        if sum(of_each.values()) + RESERVED > most:
            listed = ", ".join(f"{name} {number}" for name, number in of_each.items())
            remedy = (
                f"connections may be open on the shared {engine} ({listed}): {_limit(instance_class, most)}. Lower "
                "`most_replicas`, or take a larger `databases.instance_class`, or `databases.shared: false`"
            )
            yield Problem("services", "database", sum(of_each.values()), remedy)


def _of_own(opened: Opened, instance_class: str) -> Iterator[Problem]:
    for name, engine, number in opened:
        most = max_connections(engine, instance_class)
        if number + RESERVED > most:
            remedy = (
                f"connections may be open on its instance: {_limit(instance_class, most)}. Lower `scale.max` or "
                "`database.connections`, or take a larger `databases.instance_class`"
            )
            yield Problem(f"services/{name}/service.yaml", "database", number, remedy)


def _limit(instance_class: str, most: int) -> str:
    return f"{instance_class} takes {most}, {RESERVED} of which are reserved"
