"""What is worth telling a person, and when: definitions, and `sound`, which makes an alarm of one.

What a gap in the data means is said for each: CloudWatch's own answer, "keep waiting", is right for hardly any.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_aws as aws
from pulumi import ResourceOptions

from infra.aws.dashboards import PERIOD_SECONDS, Dimensions, Series

MAXIMUM_AGE_SECONDS = 300
ERROR_PERCENT = 5
FEWEST_REQUESTS = 20
"""A minute with fewer requests has no ratio worth waking somebody for."""
LATENCY_SECONDS = 1
CPU_PERCENT = 80
CONNECTIONS_PERCENT = 80
FREE_STORAGE_PERCENT = 15
"""An instance stops when its storage is full; one that may grow does so from 10 percent on."""
GIB = 1024**3
RATIO = f"IF(requests >= {FEWEST_REQUESTS}, 100 * FILL(errors, 0) / requests, 0)"


@dataclass(frozen=True, kw_only=True)
class Alarm:
    key: str
    says: str
    """What is wrong, and where to look."""
    series: Mapping[str, Series]
    """One line; or several by the names that `expression` uses."""
    threshold: float
    gap: Literal["breaching", "notBreaching", "ignore", "missing"]
    expression: str | None = None
    below: bool = False
    """Whether it is too little that is wrong; else too much."""
    minutes: int = 5
    bad_minutes: int = 3
    """So many of the last `minutes` have to be wrong."""


def traffic(balancer: Dimensions) -> list[Alarm]:
    """Of a service with routes. `balancer`: the dimensions TargetGroup and LoadBalancer."""

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


def queue(name: pulumi.Input[str], dead_letters: pulumi.Input[str]) -> list[Alarm]:
    """Of a service that subscribes. Both are names of queues."""

    def of(which: pulumi.Input[str], metric: str) -> Series:
        return Series("AWS/SQS", metric, {"QueueName": which}, "Maximum", metric)

    return [
        Alarm(
            key="dead-letters",
            says="A message was given up: find out why in the log, then move it back (SQS: start DLQ redrive).",
            series={"letters": of(dead_letters, "ApproximateNumberOfMessagesVisible")},
            threshold=0,
            minutes=1,
            bad_minutes=1,
            gap="ignore",  # SQS falls silent about a queue that nobody touches; what lies there still lies there
        ),
        Alarm(
            key="oldest-message",
            says=f"A message waits for more than {MAXIMUM_AGE_SECONDS} s: the service falls behind, or is stuck.",
            series={"age": of(name, "ApproximateAgeOfOldestMessage")},
            threshold=MAXIMUM_AGE_SECONDS,
            minutes=1,
            bad_minutes=1,
            gap="notBreaching",  # an empty queue has no oldest message
        ),
    ]


def database(identifier: pulumi.Input[str], storage_gib: int, connections: int) -> list[Alarm]:
    """Of an RDS instance with so much storage that takes so many connections."""

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


def table(name: pulumi.Input[str]) -> list[Alarm]:
    """Of a DynamoDB table."""

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


def gateway(api_id: pulumi.Input[str]) -> list[Alarm]:
    """Of the whole API: also what no service is to blame for, as the link or the balancer."""

    def of(metric: str) -> Series:
        return Series("AWS/ApiGateway", metric, {"ApiId": api_id}, "Sum", metric)

    return [
        Alarm(
            key="errors",
            says=f"More than {ERROR_PERCENT} percent of the gateway's answers are 5xx: look at its access log.",
            series={"errors": of("5xx"), "requests": of("Count")},
            expression=RATIO,
            threshold=ERROR_PERCENT,
            gap="notBreaching",  # nobody asked
        )
    ]


def sound(
    name: str,
    alarm: Alarm,
    physical: str,
    topic_arn: pulumi.Input[str],
    tags: Mapping[str, str] | None,
    opts: ResourceOptions,
) -> aws.cloudwatch.MetricAlarm:
    """Makes the alarm, which tells the topic when it begins and when it ends. `physical`: what the mail calls it."""
    common = aws.cloudwatch.MetricAlarmArgs(
        name=physical,
        alarm_description=alarm.says,
        comparison_operator="LessThanThreshold" if alarm.below else "GreaterThanThreshold",
        threshold=alarm.threshold,
        evaluation_periods=alarm.minutes,
        datapoints_to_alarm=alarm.bad_minutes,
        treat_missing_data=alarm.gap,
        alarm_actions=[topic_arn],
        ok_actions=[topic_arn],
        tags=tags,
    )
    if alarm.expression is not None:
        common.metric_queries = _queries(alarm.series, alarm.expression)
    else:
        (series,) = alarm.series.values()
        common.namespace, common.metric_name = series.namespace, series.metric
        common.dimensions, common.period = series.dimensions, PERIOD_SECONDS
        if series.statistic.startswith("p"):
            common.extended_statistic = series.statistic
            common.evaluate_low_sample_count_percentiles = "ignore"  # one slow answer of five is no percentile
        else:
            common.statistic = series.statistic
    return aws.cloudwatch.MetricAlarm(name, common, opts)


def _queries(series: Mapping[str, Series], expression: str) -> list[aws.cloudwatch.MetricAlarmMetricQueryArgs]:
    return [
        aws.cloudwatch.MetricAlarmMetricQueryArgs(id="result", expression=expression, return_data=True),
        *(
            aws.cloudwatch.MetricAlarmMetricQueryArgs(
                id=key,
                metric=aws.cloudwatch.MetricAlarmMetricQueryMetricArgs(
                    namespace=each.namespace,
                    metric_name=each.metric,
                    dimensions=each.dimensions,
                    stat=each.statistic,
                    period=PERIOD_SECONDS,
                ),
            )
            for key, each in series.items()
        ),
    ]
