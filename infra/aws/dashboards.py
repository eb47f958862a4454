"""CloudWatch dashboards as documents: pure functions, for what Pulumi then turns into JSON.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""

from collections.abc import Sequence
from typing import Any

import pulumi

from infra.signals import Chart, Series

PERIOD_SECONDS = 60
COLUMNS, WIDTH, HEIGHT = 3, 8, 6
"""A dashboard is 24 units wide."""


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
                    "metrics": [_metric(each) for each in chart.series],
                },
            }
            for index, chart in enumerate(charts)
        ]
    }


def url(region: str, name: str) -> str:
    """Where a person looks at the dashboard `name`."""
    return f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#dashboards/dashboard/{name}"


def _metric(series: Series) -> list[Any]:
    named = [part for pair in series.dimensions.items() for part in pair]
    return [series.namespace, series.metric, *named, {"stat": series.statistic, "label": series.label}]


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
