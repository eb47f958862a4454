"""How a DynamoDB table is."""

from pulumi import Input

from infra.signals import Alarm, Chart, Series


def charts(name: Input[str]) -> list[Chart]:
    def of(metric: str, label: str) -> Series:
        return Series("AWS/DynamoDB", metric, {"TableName": name}, "Sum", label)

    return [
        Chart("Table: throttled", [of("ReadThrottleEvents", "reads"), of("WriteThrottleEvents", "writes")]),
        Chart(
            "Table: capacity used",
            [of("ConsumedReadCapacityUnits", "reads"), of("ConsumedWriteCapacityUnits", "writes")],
        ),
    ]


def alarms(name: Input[str]) -> list[Alarm]:
    def of(metric: str) -> Series:
        return Series("AWS/DynamoDB", metric, {"TableName": name}, "Sum", metric)

    return [
        Alarm(
            key="table-throttled",
            says="The table turns calls away: look for a hot partition key.",
            series={"reads": of("ReadThrottleEvents"), "writes": of("WriteThrottleEvents")},
            expression="FILL(reads, 0) + FILL(writes, 0)",
            threshold=0,
            gap="notBreaching",  # reported only when it happens
        )
    ]
