"""Dashboards and alarms: exact documents, and what a gap in the data means."""

import json
from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from infra.aws import dashboards, database_signals
from infra.aws.observability import Alarms, AlarmsArgs, Overview, OverviewArgs, Watch, WatchArgs
from infra.capabilities.messages import signals as queue_signals
from infra.capabilities.processes.aws import charts as pod_charts
from infra.capabilities.routes import signals as route_signals
from infra.capabilities.table import signals as table_signals
from infra.contract import Binding, combined
from plans.made_up import ACCOUNT, REGION
from plans.planned import Plan, plan
from tests.aws.environments import DEV

ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
DASHBOARD = "aws:cloudwatch/dashboard:Dashboard"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:alarms"
BALANCER = {"TargetGroup": "targetgroup/orders/1", "LoadBalancer": "app/balancer/1"}


def later(name: str) -> pulumi.Output[str]:
    """As in a real program, where hardly any name is known beforehand."""
    return pulumi.Output.from_input(name)


def routed() -> Binding:
    balancer = {name: later(value) for name, value in BALANCER.items()}
    return Binding(charts=route_signals.charts(balancer), alarms=route_signals.alarms(balancer))


def subscribed() -> Binding:
    queues = later("orders-queue"), later("orders-dead")
    return Binding(charts=queue_signals.charts(*queues), alarms=queue_signals.alarms(*queues))


def stored() -> Binding:
    identifier = later("orders-db")
    return Binding(
        charts=database_signals.charts(identifier),
        alarms=database_signals.alarms(identifier, storage_gib=100, connections=200),
    )


def tabled() -> Binding:
    name = later("orders-table")
    return Binding(charts=table_signals.charts(name), alarms=table_signals.alarms(name))


def in_pods() -> Binding:
    return Binding(charts=pod_charts(later("shop-dev"), "shop", "orders"))


EVERYTHING = (routed, subscribed, stored, tabled, in_pods)


def watched(*has: Callable[[], Binding]) -> Plan:
    def program() -> None:
        binding = combined(each() for each in has)
        args = WatchArgs(
            environment=DEV,
            service="orders",
            alarm_topic_arn=TOPIC,
            dashboard=True,
            charts=binding.charts,
            alarms=binding.alarms,
        )
        Watch("orders-watch", args)

    return plan(program)


def alarm_keys(recorded: Plan) -> set[str]:
    return {each.name.removeprefix("orders-watch-") for each in recorded.of_type(ALARM)}


def alarm(key: str, has: Callable[[], Binding]) -> dict[str, Any]:
    inputs = watched(has).named(ALARM, f"orders-watch-{key}")
    assert inputs.pop("alarmDescription")
    return inputs


def widgets(recorded: Plan, name: str = "orders-watch") -> list[dict[str, Any]]:
    document = json.loads(recorded.named(DASHBOARD, name)["dashboardBody"])
    assert list(document) == ["widgets"]
    return list(document["widgets"])


def common(key: str, threshold: float, gap: str, of: tuple[int, int] = (3, 5), below: bool = False) -> dict[str, Any]:
    """What every alarm has: it tells when it begins and when it ends, by a name that a person can find."""
    return {
        "name": f"shop-dev-orders-{key}",
        "comparisonOperator": "LessThanThreshold" if below else "GreaterThanThreshold",
        "threshold": threshold,
        "datapointsToAlarm": of[0],
        "evaluationPeriods": of[1],
        "treatMissingData": gap,
        "alarmActions": [TOPIC],
        "okActions": [TOPIC],
        "tags": {"Service": "orders"},
    }


def metric(namespace: str, name: str, dimensions: dict[str, str], statistic: str) -> dict[str, Any]:
    return {
        "namespace": namespace,
        "metricName": name,
        "dimensions": dimensions,
        "statistic": statistic,
        "period": 60,
    }


def query(key: str, namespace: str, name: str, dimensions: dict[str, str]) -> dict[str, Any]:
    counted = {"namespace": namespace, "metricName": name, "dimensions": dimensions, "stat": "Sum", "period": 60}
    return {"id": key, "metric": counted}


def result(expression: str) -> dict[str, Any]:
    return {"id": "result", "expression": expression, "returnData": True}


RATIO = "IF(requests >= 20, 100 * FILL(errors, 0) / requests, 0)"


# Which alarms there are


@pytest.mark.parametrize(
    ("has", "keys"),
    [
        (routed, {"errors", "latency", "nobody-answers"}),
        (subscribed, {"dead-letters", "oldest-message"}),
        (stored, {"database-cpu", "database-storage", "database-connections"}),
        (tabled, {"table-throttled"}),
        (in_pods, set()),
    ],
)
def test_a_service_has_the_alarms_for_what_it_has(has: Callable[[], Binding], keys: set[str]) -> None:
    recorded = watched(has)

    assert alarm_keys(recorded) == keys
    assert [each.name for each in recorded.of_type(DASHBOARD)] == ["orders-watch"]


def test_a_service_with_everything_has_them_all_and_nothing_else() -> None:
    keys = {
        *("errors", "latency", "nobody-answers", "dead-letters", "oldest-message"),
        *("database-cpu", "database-storage", "database-connections", "table-throttled"),
    }

    assert watched(*EVERYTHING).registered() == {
        ("shop:aws:Watch", "orders-watch"),
        (DASHBOARD, "orders-watch"),
        *((ALARM, f"orders-watch-{key}") for key in keys),
    }


def test_a_service_with_nothing_to_look_at_has_no_dashboard() -> None:
    assert watched().registered() == {("shop:aws:Watch", "orders-watch")}


# What each looks at


def test_errors_are_a_share_of_enough_requests() -> None:
    elb = "AWS/ApplicationELB"

    assert alarm("errors", routed) == common("errors", 5, "notBreaching") | {
        "metricQueries": [
            result(RATIO),
            query("errors", elb, "HTTPCode_Target_5XX_Count", BALANCER),
            query("requests", elb, "RequestCount", BALANCER),
        ]
    }


def test_latency_is_that_of_the_slowest_in_a_hundred_and_of_enough_requests() -> None:
    expected = metric("AWS/ApplicationELB", "TargetResponseTime", BALANCER, "") | {
        "extendedStatistic": "p99",
        "evaluateLowSampleCountPercentiles": "ignore",
    }
    del expected["statistic"]

    assert alarm("latency", routed) == common("latency", 1, "notBreaching") | expected


def test_a_service_without_a_healthy_pod_is_noticed_even_without_any_pod() -> None:
    assert alarm("nobody-answers", routed) == common("nobody-answers", 1, "breaching", below=True) | metric(
        "AWS/ApplicationELB", "HealthyHostCount", BALANCER, "Maximum"
    )


def test_one_dead_letter_is_enough_and_silence_does_not_take_it_away() -> None:
    assert alarm("dead-letters", subscribed) == common("dead-letters", 0, "ignore", of=(1, 1)) | metric(
        "AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": "orders-dead"}, "Maximum"
    )


def test_a_message_waits_at_most_five_minutes() -> None:
    assert alarm("oldest-message", subscribed) == common("oldest-message", 300, "notBreaching", of=(1, 1)) | metric(
        "AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": "orders-queue"}, "Maximum"
    )


def test_a_database_is_watched_by_what_it_can_take_and_its_silence_is_told_once() -> None:
    instance = {"DBInstanceIdentifier": "orders-db"}

    assert alarm("database-cpu", stored) == common("database-cpu", 80, "breaching", of=(15, 15)) | metric(
        "AWS/RDS", "CPUUtilization", instance, "Average"
    )
    assert alarm("database-storage", stored) == common(
        "database-storage", 15 * 1024**3, "missing", below=True
    ) | metric("AWS/RDS", "FreeStorageSpace", instance, "Minimum")
    assert alarm("database-connections", stored) == common("database-connections", 160, "missing") | metric(
        "AWS/RDS", "DatabaseConnections", instance, "Maximum"
    )


def test_a_table_that_turns_calls_away_is_noticed() -> None:
    dimensions = {"TableName": "orders-table"}

    assert alarm("table-throttled", tabled) == common("table-throttled", 0, "notBreaching") | {
        "metricQueries": [
            result("FILL(reads, 0) + FILL(writes, 0)"),
            query("reads", "AWS/DynamoDB", "ReadThrottleEvents", dimensions),
            query("writes", "AWS/DynamoDB", "WriteThrottleEvents", dimensions),
        ]
    }


# The dashboard


def test_the_dashboard_shows_everything_that_the_service_has_three_in_a_row() -> None:
    shown = widgets(watched(*EVERYTHING))

    assert [each["properties"]["title"] for each in shown] == [
        *("Requests", "Errors", "Latency in seconds", "Targets"),
        *("Messages", "Age of the oldest message in seconds", "Dead letters"),
        *("Database CPU in percent", "Database connections", "Database: free bytes"),
        *("Table: throttled", "Table: capacity used"),
        *("Pods: percent of the limit", "Pods: restarts"),
    ]
    places = [(each["x"], each["y"], each["width"], each["height"]) for each in shown]
    assert places[:4] == [(0, 0, 8, 6), (8, 0, 8, 6), (16, 0, 8, 6), (0, 6, 8, 6)]
    assert len(set(places)) == len(places)


def test_a_chart_is_what_cloudwatch_takes_with_the_names_filled_in() -> None:
    recorded = watched(routed)
    latency = next(each for each in widgets(recorded) if each["properties"]["title"] == "Latency in seconds")
    target = ["TargetGroup", "targetgroup/orders/1", "LoadBalancer", "app/balancer/1"]

    assert recorded.named(DASHBOARD, "orders-watch")["dashboardName"] == "shop-dev-orders"
    assert latency == {
        "type": "metric",
        "x": 16,
        "y": 0,
        "width": 8,
        "height": 6,
        "properties": {
            "title": "Latency in seconds",
            "view": "timeSeries",
            "region": REGION,
            "period": 60,
            "yAxis": {"left": {"min": 0}},
            "metrics": [
                ["AWS/ApplicationELB", "TargetResponseTime", *target, {"stat": "p50", "label": "p50"}],
                ["AWS/ApplicationELB", "TargetResponseTime", *target, {"stat": "p99", "label": "p99"}],
            ],
        },
    }


def lines(recorded: Plan, name: str = "orders-watch") -> set[tuple[str, ...]]:
    """Every line of a dashboard: namespace, metric, dimensions, statistic."""
    return {
        (*line[:-1], line[-1]["stat"]) for widget in widgets(recorded, name) for line in widget["properties"]["metrics"]
    }


def test_the_lines_of_queue_database_table_and_pods() -> None:
    pods = ("ClusterName", "shop-dev", "Namespace", "shop", "PodName", "orders", "Maximum")
    insights = "ContainerInsights"

    assert lines(watched(*EVERYTHING[1:])) == {
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", "orders-queue", "Maximum"),
        ("AWS/SQS", "ApproximateNumberOfMessagesNotVisible", "QueueName", "orders-queue", "Maximum"),
        ("AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", "orders-queue", "Maximum"),
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", "orders-dead", "Maximum"),
        ("AWS/RDS", "CPUUtilization", "DBInstanceIdentifier", "orders-db", "Average"),
        ("AWS/RDS", "DatabaseConnections", "DBInstanceIdentifier", "orders-db", "Maximum"),
        ("AWS/RDS", "FreeStorageSpace", "DBInstanceIdentifier", "orders-db", "Minimum"),
        ("AWS/DynamoDB", "ReadThrottleEvents", "TableName", "orders-table", "Sum"),
        ("AWS/DynamoDB", "WriteThrottleEvents", "TableName", "orders-table", "Sum"),
        ("AWS/DynamoDB", "ConsumedReadCapacityUnits", "TableName", "orders-table", "Sum"),
        ("AWS/DynamoDB", "ConsumedWriteCapacityUnits", "TableName", "orders-table", "Sum"),
        (insights, "pod_cpu_utilization_over_pod_limit", *pods),
        (insights, "pod_memory_utilization_over_pod_limit", *pods),
        (insights, "pod_number_of_container_restarts", *pods),
    }


def test_the_address_of_a_dashboard_is_known_before_it_is_there() -> None:
    console = f"https://{REGION}.console.aws.amazon.com/cloudwatch/home?region={REGION}"

    assert dashboards.url(REGION, "shop-dev-orders") == f"{console}#dashboards/dashboard/shop-dev-orders"


# The environment


def overview(cluster_name: str | None = None) -> Plan:
    args = OverviewArgs(
        environment=DEV,
        api_id="api-1",
        load_balancer_arn_suffix="app/balancer/1",
        alarm_topic_arn=TOPIC,
        nat_gateway_ids=["nat-1", "nat-2"],
        cluster_name=cluster_name,
    )

    def program() -> None:
        Overview("overview", args)

    return plan(program)


def test_the_overview_is_one_dashboard_and_the_alarm_for_what_no_service_is_to_blame_for() -> None:
    assert overview().registered() == {
        ("shop:aws:Overview", "overview"),
        (DASHBOARD, "overview"),
        (ALARM, "overview-errors"),
    }
    assert overview().named(DASHBOARD, "overview")["dashboardName"] == "shop-dev"
    raised = overview().named(ALARM, "overview-errors")
    assert raised["name"] == "shop-dev-errors"
    assert raised["metricQueries"] == [
        result(RATIO),
        query("errors", "AWS/ApiGateway", "5xx", {"ApiId": "api-1"}),
        query("requests", "AWS/ApiGateway", "Count", {"ApiId": "api-1"}),
    ]


def test_the_overview_shows_what_people_see_the_way_out_and_the_nodes() -> None:
    everywhere = {
        ("AWS/ApiGateway", "Count", "ApiId", "api-1", "Sum"),
        ("AWS/ApiGateway", "4xx", "ApiId", "api-1", "Sum"),
        ("AWS/ApiGateway", "5xx", "ApiId", "api-1", "Sum"),
        ("AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count", "LoadBalancer", "app/balancer/1", "Sum"),
        ("AWS/ApiGateway", "Latency", "ApiId", "api-1", "p50"),
        ("AWS/ApiGateway", "Latency", "ApiId", "api-1", "p99"),
        ("AWS/ApiGateway", "IntegrationLatency", "ApiId", "api-1", "p99"),
        *(
            ("AWS/NATGateway", name, "NatGatewayId", each, "Sum")
            for name in ("BytesOutToDestination", "ErrorPortAllocation")
            for each in ("nat-1", "nat-2")
        ),
    }

    assert lines(overview(), "overview") == everywhere
    assert lines(overview(cluster_name="shop-dev"), "overview") == everywhere | {
        ("ContainerInsights", "cluster_node_count", "ClusterName", "shop-dev", "Maximum"),
        ("ContainerInsights", "cluster_failed_node_count", "ClusterName", "shop-dev", "Maximum"),
        ("ContainerInsights", "node_cpu_utilization", "ClusterName", "shop-dev", "Average"),
        ("ContainerInsights", "node_memory_utilization", "ClusterName", "shop-dev", "Average"),
    }


# Who is told


def alarms(email: str | None = None) -> Plan:
    def program() -> None:
        Alarms(
            "alarms",
            AlarmsArgs(
                environment=DEV,
                email=email,
            ),
        )

    return plan(program)


OURS = {
    "StringEquals": {"aws:SourceAccount": ACCOUNT},
    "ArnLike": {"aws:SourceArn": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:*"},
}


def test_there_is_an_encrypted_topic_and_somebody_is_told_when_an_address_is_given() -> None:
    made = {
        ("shop:aws:Alarms", "alarms"),
        ("aws:kms/key:Key", "alarms"),
        ("aws:sns/topic:Topic", "alarms"),
        ("aws:sns/topicPolicy:TopicPolicy", "alarms"),
    }
    told = alarms(email="on-call@shop.example")

    assert alarms().registered() == made
    assert told.registered() == made | {("aws:sns/topicSubscription:TopicSubscription", "alarms")}
    assert told.named(":TopicSubscription", "alarms") == {
        "topic": TOPIC,
        "protocol": "email",
        "endpoint": "on-call@shop.example",
    }


def test_the_key_may_be_used_by_the_alarms_of_this_account_and_is_renewed() -> None:
    recorded = alarms()
    key = recorded.named("aws:kms/key:Key", "alarms")

    assert recorded.named(":Topic", "alarms")["kmsMasterKeyId"] == f"arn:aws:kms:{REGION}:{ACCOUNT}:key/alarms-id"
    assert key["enableKeyRotation"] is True
    assert json.loads(key["policy"]) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "IamDecides",
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
                "Action": "kms:*",
                "Resource": "*",
            },
            {
                "Sid": "AlarmsPublish",
                "Effect": "Allow",
                "Principal": {"Service": "cloudwatch.amazonaws.com"},
                "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
                "Resource": "*",
                "Condition": OURS,
            },
        ],
    }


def test_only_alarms_of_this_account_publish_and_nobody_without_tls() -> None:
    assert json.loads(alarms().named(":TopicPolicy", "alarms")["policy"]) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "AlarmsPublish",
                "Effect": "Allow",
                "Principal": {"Service": "cloudwatch.amazonaws.com"},
                "Action": "sns:Publish",
                "Resource": TOPIC,
                "Condition": OURS,
            },
            {
                "Sid": "EncryptedOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "sns:Publish",
                "Resource": TOPIC,
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            },
        ],
    }
