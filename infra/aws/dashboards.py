"""CloudWatch dashboards as documents: pure functions, for what Pulumi then turns into JSON.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

PERIOD_SECONDS = 60
COLUMNS, WIDTH, HEIGHT = 3, 8, 6
"""A dashboard is 24 units wide."""

Dimensions = Mapping[str, pulumi.Input[str]]


@dataclass(frozen=True)
class Series:
    """One line of a chart."""

    namespace: str
    metric: str
    dimensions: Dimensions
    statistic: str
    """`Sum`, `Average`, `Maximum`, `p99`, ..."""
    label: str

    def document(self) -> list[Any]:
        named = [part for pair in self.dimensions.items() for part in pair]
        return [self.namespace, self.metric, *named, {"stat": self.statistic, "label": self.label}]


@dataclass(frozen=True)
class Chart:
    title: str
    series: Sequence[Series]


def body(charts: Sequence[Chart], region: str) -> dict[str, Any]:
    """The document of a dashboard, three charts in a row, each from zero up."""
    return {
        "widgets": [
            {
                "type": "metric",
                "x": index % COLUMNS * WIDTH,
                "y": index // COLUMNS * HEIGHT,
                "width": WIDTH,
                "height": HEIGHT,
                "properties": {
                    "title": chart.title,
                    "view": "timeSeries",
                    "region": region,
                    "period": PERIOD_SECONDS,
                    "yAxis": {"left": {"min": 0}},
                    "metrics": [each.document() for each in chart.series],
                },
            }
            for index, chart in enumerate(charts)
        ]
    }


def url(region: str, name: str) -> str:
    """Where a person looks at the dashboard `name`."""
    return f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#dashboards/dashboard/{name}"


def traffic(balancer: Dimensions) -> list[Chart]:
    """What a service answers. `balancer`: the dimensions TargetGroup and LoadBalancer."""

    def of(metric: str, statistic: str, label: str) -> Series:
        return Series("AWS/ApplicationELB", metric, balancer, statistic, label)

    return [
        Chart("Requests", [of("RequestCount", "Sum", "requests")]),
        Chart(
            "Errors",
            [of("HTTPCode_Target_4XX_Count", "Sum", "4xx"), of("HTTPCode_Target_5XX_Count", "Sum", "5xx")],
        ),
        Chart(
            "Latency in seconds",
            [of("TargetResponseTime", "p50", "p50"), of("TargetResponseTime", "p99", "p99")],
        ),
        Chart(
            "Targets",
            [of("HealthyHostCount", "Minimum", "healthy"), of("UnHealthyHostCount", "Maximum", "unhealthy")],
        ),
    ]


def queue(name: pulumi.Input[str], dead_letters: pulumi.Input[str]) -> list[Chart]:
    """What waits for a service, and what it gave up. Both are names of queues."""

    def of(which: pulumi.Input[str], metric: str, label: str) -> Series:
        return Series("AWS/SQS", metric, {"QueueName": which}, "Maximum", label)

    return [
        Chart(
            "Messages",
            [
                of(name, "ApproximateNumberOfMessagesVisible", "waiting"),
                of(name, "ApproximateNumberOfMessagesNotVisible", "in hand"),
            ],
        ),
        Chart("Age of the oldest message in seconds", [of(name, "ApproximateAgeOfOldestMessage", "age")]),
        Chart("Dead letters", [of(dead_letters, "ApproximateNumberOfMessagesVisible", "dead letters")]),
    ]


def database(identifier: pulumi.Input[str]) -> list[Chart]:
    """How an RDS instance is."""

    def of(metric: str, statistic: str, label: str) -> Series:
        return Series("AWS/RDS", metric, {"DBInstanceIdentifier": identifier}, statistic, label)

    return [
        Chart("Database CPU in percent", [of("CPUUtilization", "Average", "CPU")]),
        Chart("Database connections", [of("DatabaseConnections", "Maximum", "connections")]),
        Chart("Database: free bytes", [of("FreeStorageSpace", "Minimum", "storage")]),
    ]


def table(name: pulumi.Input[str]) -> list[Chart]:
    """How a DynamoDB table is."""

    def of(metric: str, label: str) -> Series:
        return Series("AWS/DynamoDB", metric, {"TableName": name}, "Sum", label)

    return [
        Chart("Table: throttled", [of("ReadThrottleEvents", "reads"), of("WriteThrottleEvents", "writes")]),
        Chart(
            "Table: capacity used",
            [of("ConsumedReadCapacityUnits", "reads"), of("ConsumedWriteCapacityUnits", "writes")],
        ),
    ]


def containers(cluster: pulumi.Input[str], namespace: pulumi.Input[str], service: str) -> list[Chart]:
    """How much of their limits the pods use; there with Container Insights only."""

    def of(metric: str, label: str) -> Series:
        dimensions = {"ClusterName": cluster, "Namespace": namespace, "PodName": service}
        return Series("ContainerInsights", metric, dimensions, "Maximum", label)

    return [
        Chart(
            "Pods: percent of the limit",
            [of("pod_cpu_utilization_over_pod_limit", "CPU"), of("pod_memory_utilization_over_pod_limit", "memory")],
        ),
        Chart("Pods: restarts", [of("pod_number_of_container_restarts", "restarts")]),
    ]


def gateway(api_id: pulumi.Input[str], balancer: pulumi.Input[str]) -> list[Chart]:
    """What people see. `balancer`: the load balancer's ARN suffix."""

    def of(metric: str, statistic: str, label: str) -> Series:
        return Series("AWS/ApiGateway", metric, {"ApiId": api_id}, statistic, label)

    refused = Series(
        "AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count", {"LoadBalancer": balancer}, "Sum", "5xx of the balancer"
    )
    return [
        Chart("Requests", [of("Count", "Sum", "requests")]),
        Chart("Errors", [of("4xx", "Sum", "4xx"), of("5xx", "Sum", "5xx"), refused]),
        Chart(
            "Latency in milliseconds",
            [
                of("Latency", "p50", "p50"),
                of("Latency", "p99", "p99"),
                of("IntegrationLatency", "p99", "p99 of services"),
            ],
        ),
    ]


def network(nat_gateway_ids: Sequence[pulumi.Input[str]]) -> list[Chart]:
    """What leaves the network, and what it could not take."""

    def of(metric: str, label: str) -> list[Series]:
        return [
            Series("AWS/NATGateway", metric, {"NatGatewayId": each}, "Sum", f"{label} {position}")
            for position, each in enumerate(nat_gateway_ids, start=1)
        ]

    return [
        Chart("NAT: bytes out", of("BytesOutToDestination", "gateway")),
        Chart("NAT: ports that were wanting", of("ErrorPortAllocation", "gateway")),
    ]


def cluster(name: pulumi.Input[str]) -> list[Chart]:
    """How the nodes are; there with Container Insights only."""

    def of(metric: str, statistic: str, label: str) -> Series:
        return Series("ContainerInsights", metric, {"ClusterName": name}, statistic, label)

    return [
        Chart(
            "Nodes", [of("cluster_node_count", "Maximum", "all"), of("cluster_failed_node_count", "Maximum", "failed")]
        ),
        Chart(
            "Nodes: percent used",
            [of("node_cpu_utilization", "Average", "CPU"), of("node_memory_utilization", "Average", "memory")],
        ),
    ]
