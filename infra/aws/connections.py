"""How many connections a database instance takes, and whether all that the catalogue may open fit in.

RDS's own defaults follow the memory that it leaves to the engine (PostgreSQL: DBInstanceClassMemory / 9531392, MySQL:
/ 12582880), which nobody knows beforehand: of 1 GiB people have seen 80 to 112 connections of PostgreSQL. So the number
is ours, a bit below what the formula gives for the whole memory, and in the instance's parameter group.
[RDS user guide, "Quotas and constraints for Amazon RDS", maximum number of database connections]
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from infra.catalogue import Catalogue, Scale, ServiceSpec
from infra.catalogue_checks import Problem
from infra.kubernetes.workload import SURGE_PERCENT

_BURSTABLE = {"micro": 1, "small": 2, "medium": 4, "large": 8, "xlarge": 16, "2xlarge": 32}
_GENERAL = {"large": 8, "xlarge": 16, "2xlarge": 32, "4xlarge": 64, "8xlarge": 128, "12xlarge": 192, "16xlarge": 256}
_MUCH_MEMORY = {size: 2 * gib for size, gib in _GENERAL.items()}
MEMORY_GIB: Mapping[str, int] = {
    f"db.{family}.{size}": gib
    for families, sizes in (
        (("t3", "t4g"), _BURSTABLE),
        (("m6g", "m6i", "m7g", "m7i"), _GENERAL),
        (("r6g", "r6i", "r7g", "r7i"), _MUCH_MEMORY),
    )
    for family in families
    for size, gib in sizes.items()
}
"""Class of instances -> its memory. [RDS user guide, "Hardware specifications for DB instance classes"]"""

CONNECTIONS_PER_GIB = {"postgres": 100, "mysql": 75}
MOST_CONNECTIONS = 5000
"""More than that RDS gives no PostgreSQL by itself, however large."""
RESERVED = 10
"""Not for services: five that PostgreSQL and RDS keep for administrators, RDS's own, and a person who looks."""


def max_connections(engine: str, instance_class: str) -> int:
    """`max_connections` of an instance. Both are known ones: the settings have been checked."""
    return min(MEMORY_GIB[instance_class] * CONNECTIONS_PER_GIB[engine], MOST_CONNECTIONS)


def over_connections(
    catalogue: Catalogue, instance_class: str, shared: bool, bounded: Callable[[Scale], Scale]
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
        (spec.name, spec.database.engine, most_connections(spec, bounded(spec.scale)))
        for spec in catalogue
        if spec.database and spec.database.relational
    ]
    return list(_of_shared(opened, instance_class) if shared else _of_own(opened, instance_class))


def most_connections(spec: ServiceSpec, scale: Scale) -> int:
    """What a service may open altogether: none without a relational database."""
    if spec.database is None or not spec.database.relational:
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
