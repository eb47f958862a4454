"""Classes of database instances: their memory, and how many connections they take.

RDS's own defaults follow the memory that it leaves to the engine (PostgreSQL: DBInstanceClassMemory / 9531392, MySQL:
/ 12582880), which nobody knows beforehand: of 1 GiB people have seen 80 to 112 connections of PostgreSQL. So the number
is ours, a bit below what the formula gives for the whole memory, and in the instance's parameter group.
[RDS user guide, "Quotas and constraints for Amazon RDS", maximum number of database connections]
"""

from collections.abc import Mapping

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


def max_connections(engine: str, instance_class: str) -> int:
    """`max_connections` of an instance. Both are known ones: the settings have been checked."""
    return min(MEMORY_GIB[instance_class] * CONNECTIONS_PER_GIB[engine], MOST_CONNECTIONS)
