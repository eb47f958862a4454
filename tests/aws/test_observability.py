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


def widgets(recorded: Plan, name: str = "orders-watch") -> list[dict[str, Any]]:
    document = json.loads(recorded.named(DASHBOARD, name)["dashboardBody"])
    assert list(document) == ["widgets"]
    return list(document["widgets"])


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


def test_silence_is_told_where_somebody_ought_to_speak() -> None:
    """Pods that are gone send nothing, and so does a queue without dead letters: the one is bad, the other good."""
    gaps = {
        each.name.removeprefix("orders-watch-"): each.inputs["treatMissingData"]
        for each in watched(*EVERYTHING).of_type(ALARM)
    }

    assert {key for key, gap in gaps.items() if gap == "breaching"} == {"nobody-answers", "database-cpu"}
    assert gaps["dead-letters"] == "ignore"  # one letter that is still there is not forgotten


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
