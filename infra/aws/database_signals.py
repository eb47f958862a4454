"""How an RDS instance is. If several services share it, one should be told only: its alarms are about all of them."""

from pulumi import Input

from infra.signals import Alarm, Chart, Series

CPU_PERCENT = 80
CONNECTIONS_PERCENT = 80
FREE_STORAGE_PERCENT = 15
"""An instance stops when its storage is full; one that may grow does so from 10 percent on."""
GIB = 1024**3


def charts(identifier: Input[str]) -> list[Chart]:
    def of(metric: str, statistic: str, label: str) -> Series:
        return Series("AWS/RDS", metric, {"DBInstanceIdentifier": identifier}, statistic, label)

    return [
        Chart("Database CPU in percent", [of("CPUUtilization", "Average", "CPU")]),
        Chart("Database connections", [of("DatabaseConnections", "Maximum", "connections")]),
        Chart("Database: free bytes", [of("FreeStorageSpace", "Minimum", "storage")]),
    ]


def alarms(identifier: Input[str], storage_gib: int, connections: int) -> list[Alarm]:
    """Of an instance with so much storage that takes so many connections."""

    def of(metric: str, statistic: str) -> Series:
        return Series("AWS/RDS", metric, {"DBInstanceIdentifier": identifier}, statistic, metric)

    return [
        Alarm(
            key="database-cpu",
            says=f"The database computes at more than {CPU_PERCENT} percent, or says nothing at all.",
            series={"cpu": of("CPUUtilization", "Average")},
            threshold=CPU_PERCENT,
            minutes=15,
            bad_minutes=15,
            gap="breaching",  # an instance that runs reports every minute; this one alarm says when it does not
        ),
        Alarm(
            key="database-storage",
            says=f"Less than {FREE_STORAGE_PERCENT} percent of the database's storage is free: give it more.",
            series={"free": of("FreeStorageSpace", "Minimum")},
            threshold=storage_gib * GIB * FREE_STORAGE_PERCENT // 100,
            below=True,
            gap="missing",
        ),
        Alarm(
            key="database-connections",
            says=f"More than {CONNECTIONS_PERCENT} percent of the connections are taken: make pools smaller.",
            series={"connections": of("DatabaseConnections", "Maximum")},
            threshold=connections * CONNECTIONS_PERCENT // 100,
            gap="missing",
        ),
    ]
