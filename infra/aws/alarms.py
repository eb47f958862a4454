"""Alarms of CloudWatch: those of the gateway, and `create_metric_alarm`, which makes what a capability declares."""

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws
from pulumi import ResourceOptions

from infra.aws.dashboards import PERIOD_SECONDS
from infra.signals import Alarm, Series

ERROR_PERCENT = 5
FEWEST_REQUESTS = 20
"""A minute with fewer requests has no ratio worth waking somebody for."""
RATIO = f"IF(requests >= {FEWEST_REQUESTS}, 100 * FILL(errors, 0) / requests, 0)"


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


def create_metric_alarm(
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
