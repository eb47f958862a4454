"""What people see of a service with routes, as the load balancer measures it."""

from infra.aws.alarms import ERROR_PERCENT, RATIO
from infra.signals import Alarm, Chart, Dimensions, Series

LATENCY_SECONDS = 1


def charts(balancer: Dimensions) -> list[Chart]:
    """`balancer`: the dimensions TargetGroup and LoadBalancer."""

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


def alarms(balancer: Dimensions) -> list[Alarm]:
    """`balancer`: the dimensions TargetGroup and LoadBalancer."""

    def of(metric: str, statistic: str) -> Series:
        return Series("AWS/ApplicationELB", metric, balancer, statistic, metric)

    return [
        Alarm(
            key="errors",
            says=f"More than {ERROR_PERCENT} percent of the answers are 5xx: look at the service's log.",
            series={"errors": of("HTTPCode_Target_5XX_Count", "Sum"), "requests": of("RequestCount", "Sum")},
            expression=RATIO,
            threshold=ERROR_PERCENT,
            gap="notBreaching",  # nobody asked
        ),
        Alarm(
            key="latency",
            says=f"One answer in a hundred takes more than {LATENCY_SECONDS} s: look at traces and the database.",
            series={"latency": of("TargetResponseTime", "p99")},
            threshold=LATENCY_SECONDS,
            gap="notBreaching",  # nobody asked
        ),
        Alarm(
            key="nobody-answers",
            says="No pod is healthy, every request is answered 503: look at the Deployment's events.",
            series={"healthy": of("HealthyHostCount", "Maximum")},
            threshold=1,
            below=True,
            gap="breaching",  # not even a pod to ask
        ),
    ]
