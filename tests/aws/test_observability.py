"""Dashboards and alarms: exact documents, and what a gap in the data means."""

import json
from typing import Any

import pulumi
import pytest

from infra.aws.observability import (
    Alarms,
    AlarmsArgs,
    Overview,
    OverviewArgs,
    Watch,
    WatchArgs,
    WatchedDatabase,
    WatchedPods,
)
from tests.aws.attributes import resolved
from tools.made_up import ACCOUNT, REGION
from tools.planned import Plan, plan

ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
DASHBOARD = "aws:cloudwatch/dashboard:Dashboard"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:alarms"
BALANCER = {"TargetGroup": "targetgroup/orders/1", "LoadBalancer": "app/balancer/1"}
ROUTED = {"target_group_arn_suffix": BALANCER["TargetGroup"], "load_balancer_arn_suffix": BALANCER["LoadBalancer"]}
SUBSCRIBED = {"queue_name": "orders-queue", "dead_letter_name": "orders-dead"}
STORED: dict[str, Any] = {
    "database": WatchedDatabase(identifier=pulumi.Output.from_input("orders-db"), storage_gib=100, max_connections=200)
}
IN_PODS: dict[str, Any] = {"pods": WatchedPods(cluster_name="shop-dev", namespace="shop")}
EVERYTHING: dict[str, Any] = ROUTED | SUBSCRIBED | STORED | IN_PODS | {"table_name": "orders-table"}
NOTHING: dict[str, Any] = {"dashboard": True, "database": None}


def watched(topic: pulumi.Input[str] | None = TOPIC, **has: Any) -> Plan:
    def program() -> None:
        # As in a real program, where hardly any name is known beforehand.
        later: dict[str, Any] = {
            key: pulumi.Output.from_input(value) if isinstance(value, str) else value for key, value in has.items()
        }
        args = WatchArgs(service="orders", prefix="shop-dev", region=REGION, alarm_topic_arn=topic, **NOTHING | later)
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
        (ROUTED, {"errors", "latency", "nobody-answers"}),
        (SUBSCRIBED, {"dead-letters", "oldest-message"}),
        (STORED, {"database-cpu", "database-storage", "database-connections"}),
        ({"table_name": "orders-table"}, {"table-throttled"}),
        (IN_PODS, set()),
    ],
)
def test_a_service_has_the_alarms_for_what_it_has(has: dict[str, Any], keys: set[str]) -> None:
    recorded = watched(**has)

    assert alarm_keys(recorded) == keys
    assert [each.name for each in recorded.of_type(DASHBOARD)] == ["orders-watch"]


def test_a_service_with_everything_has_them_all_and_nothing_else() -> None:
    keys = {
        *("errors", "latency", "nobody-answers", "dead-letters", "oldest-message"),
        *("database-cpu", "database-storage", "database-connections", "table-throttled"),
    }

    assert watched(**EVERYTHING).registered() == {
        ("shop:aws:Watch", "orders-watch"),
        (DASHBOARD, "orders-watch"),
        *((ALARM, f"orders-watch-{key}") for key in keys),
    }


def test_without_a_topic_there_is_the_same_dashboard_and_no_alarm() -> None:
    silent, loud = watched(topic=None, **EVERYTHING), watched(**EVERYTHING)

    assert silent.of_type(ALARM) == []
    assert silent.named(DASHBOARD, "orders-watch") == loud.named(DASHBOARD, "orders-watch")


def test_a_service_with_nothing_to_look_at_has_no_dashboard() -> None:
    # The balancer is everybody's: without a target group it says nothing of this service.
    recorded = watched(load_balancer_arn_suffix="app/balancer/1")

    assert recorded.registered() == {("shop:aws:Watch", "orders-watch")}


# What each looks at


def test_silence_is_told_where_somebody_ought_to_speak() -> None:
    """Pods that are gone send nothing, and so does a queue without dead letters: the one is bad, the other good."""
    gaps = {
        each.name.removeprefix("orders-watch-"): each.inputs["treatMissingData"]
        for each in watched(**EVERYTHING).of_type(ALARM)
    }

    assert {key for key, gap in gaps.items() if gap == "breaching"} == {"nobody-answers", "database-cpu"}
    assert gaps["dead-letters"] == "ignore"  # one letter that is still there is not forgotten


# The dashboard


def test_the_dashboard_shows_everything_that_the_service_has_three_in_a_row() -> None:
    shown = widgets(watched(**EVERYTHING))

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
    seen: dict[str, Any] = {}

    def program() -> None:
        nonlocal seen
        args = WatchArgs(
            service="orders", prefix="shop-dev", region=REGION, alarm_topic_arn=None, **NOTHING | EVERYTHING
        )
        seen = resolved(Watch("orders-watch", args), "dashboard_url")

    plan(program)
    console = f"https://{REGION}.console.aws.amazon.com/cloudwatch/home?region={REGION}"
    assert seen == {"dashboard_url": f"{console}#dashboards/dashboard/shop-dev-orders"}


# The environment


def overview(topic: str | None = TOPIC, cluster_name: str | None = None) -> Plan:
    args = OverviewArgs(
        prefix="shop-dev",
        region=REGION,
        api_id="api-1",
        load_balancer_arn_suffix="app/balancer/1",
        alarm_topic_arn=topic,
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
    assert overview(topic=None).of_type(ALARM) == []
    assert overview().named(DASHBOARD, "overview")["dashboardName"] == "shop-dev"


# Who is told


def alarms(email: str | None = None) -> Plan:
    def program() -> None:
        account = pulumi.Output.from_input(ACCOUNT)
        Alarms("alarms", AlarmsArgs(prefix="shop-dev", email=email, region=REGION, account=account))

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
