"""Topics and queues: what is delivered where, and who may send."""

import pytest

from infra.capabilities.messages.aws import Queue, QueueArgs, Subscription, Topic, TopicArgs
from plans.planned import Plan, plan


def subscribe() -> None:
    users = Topic("users-topic", TopicArgs(service="users"))
    orders = Topic("orders-topic", TopicArgs(service="orders"))
    Queue(
        "notifications-queue",
        QueueArgs(
            service="notifications",
            max_deliveries=5,
            visibility_seconds=30,
            subscriptions={
                "users": Subscription(topic_arn=users.arn, event_types=["user.created"]),
                "orders": Subscription(topic_arn=orders.arn, event_types=["order.cancelled", "order.placed"]),
            },
        ),
    )


@pytest.fixture(scope="module")
def recorded() -> Plan:
    return plan(subscribe)


def test_nothing_is_delivered_before_it_may_be(recorded: Plan) -> None:
    policies = {each.urn for each in recorded.of_type(":QueuePolicy")}

    for subscription in recorded.of_type(":TopicSubscription"):
        assert policies < subscription.dependencies


@pytest.mark.parametrize(
    ("subscriptions", "message"),
    [
        ({}, "takes nothing of anybody"),
        ({"users": Subscription(topic_arn="arn", event_types=[])}, "takes nothing of users"),
    ],
)
def test_a_queue_that_takes_nothing_is_refused(subscriptions: dict[str, Subscription], message: str) -> None:
    with pytest.raises(ValueError, match=f"the queue of notifications {message}"):
        QueueArgs(service="notifications", max_deliveries=5, visibility_seconds=30, subscriptions=subscriptions)
