"""Topics and queues: what is delivered where, and who may send."""

import json
from typing import Any

import pytest

from infra.capabilities.messages.aws import Queue, QueueArgs, Subscription, Topic, TopicArgs
from plans.planned import Plan, plan

SNS, SQS = "arn:aws:sns:eu-central-1:123456789012", "arn:aws:sqs:eu-central-1:123456789012"
TAGS = {"Service": "notifications"}


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


def policy(recorded: Plan, kind: str, name: str) -> dict[str, Any]:
    return dict(json.loads(recorded.named(kind, name)["policy"]))


def test_a_subscriber_has_a_queue_a_dead_letter_queue_and_a_subscription_per_publisher(recorded: Plan) -> None:
    assert recorded.registered() == {
        ("shop:aws:Topic", "users-topic"),
        ("aws:sns/topic:Topic", "users-topic"),
        ("aws:sns/topicPolicy:TopicPolicy", "users-topic"),
        ("shop:aws:Topic", "orders-topic"),
        ("aws:sns/topic:Topic", "orders-topic"),
        ("aws:sns/topicPolicy:TopicPolicy", "orders-topic"),
        ("shop:aws:Queue", "notifications-queue"),
        ("aws:sqs/queue:Queue", "notifications-queue"),
        ("aws:sqs/queue:Queue", "notifications-queue-dead"),
        ("aws:sqs/redriveAllowPolicy:RedriveAllowPolicy", "notifications-queue-dead"),
        ("aws:sqs/queuePolicy:QueuePolicy", "notifications-queue"),
        ("aws:sqs/queuePolicy:QueuePolicy", "notifications-queue-dead"),
        ("aws:sns/topicSubscription:TopicSubscription", "notifications-queue-from-users"),
        ("aws:sns/topicSubscription:TopicSubscription", "notifications-queue-from-orders"),
    }


def test_a_message_is_set_aside_after_the_declared_deliveries(recorded: Plan) -> None:
    queue = recorded.named("sqs/queue:Queue", "notifications-queue")

    assert queue | {"redrivePolicy": json.loads(queue["redrivePolicy"])} == {
        "messageRetentionSeconds": 4 * 24 * 3600,
        "receiveWaitTimeSeconds": 20,
        "redrivePolicy": {"deadLetterTargetArn": f"{SQS}:notifications-queue-dead", "maxReceiveCount": 5},
        "sqsManagedSseEnabled": True,
        "tags": TAGS,
        "visibilityTimeoutSeconds": 30,
    }


def test_what_was_set_aside_is_kept_for_fourteen_days_for_this_queue_alone(recorded: Plan) -> None:
    allowed = recorded.one(":RedriveAllowPolicy").inputs

    assert recorded.named("sqs/queue:Queue", "notifications-queue-dead") == {
        "messageRetentionSeconds": 14 * 24 * 3600,
        "receiveWaitTimeSeconds": 20,
        "sqsManagedSseEnabled": True,
        "tags": TAGS,
    }
    assert allowed["queueUrl"].endswith("/notifications-queue-dead")
    assert json.loads(allowed["redriveAllowPolicy"]) == {
        "redrivePermission": "byQueue",
        "sourceQueueArns": [f"{SQS}:notifications-queue"],
    }


def test_a_subscription_brings_the_wanted_events_of_its_topic_as_they_were_published(recorded: Plan) -> None:
    documents = {"filterPolicy", "redrivePolicy"}
    subscription = recorded.named(":TopicSubscription", "notifications-queue-from-orders")

    assert {key: json.loads(value) if key in documents else value for key, value in subscription.items()} == {
        "endpoint": f"{SQS}:notifications-queue",
        "filterPolicy": {"event_type": ["order.cancelled", "order.placed"]},
        "filterPolicyScope": "MessageAttributes",
        "protocol": "sqs",
        "rawMessageDelivery": True,
        "redrivePolicy": {"deadLetterTargetArn": f"{SQS}:notifications-queue-dead"},
        "topic": f"{SNS}:orders-topic",
    }


@pytest.mark.parametrize("name", ["notifications-queue", "notifications-queue-dead"])
def test_a_queue_takes_messages_of_the_subscribed_topics_alone_and_by_tls(recorded: Plan, name: str) -> None:
    assert recorded.named(":QueuePolicy", name)["queueUrl"].endswith(f"/{name}")
    assert policy(recorded, ":QueuePolicy", name) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "SubscribedTopics",
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": f"{SQS}:{name}",
                "Condition": {"ArnEquals": {"aws:SourceArn": [f"{SNS}:orders-topic", f"{SNS}:users-topic"]}},
            },
            {
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "sqs:*",
                "Resource": f"{SQS}:{name}",
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            },
        ],
    }


def test_a_topic_is_encrypted_and_leaves_to_iam_who_publishes(recorded: Plan) -> None:
    assert recorded.named("sns/topic:Topic", "users-topic") == {
        "kmsMasterKeyId": "alias/aws/sns",
        "tags": {"Service": "users"},
    }
    assert recorded.named(":TopicPolicy", "users-topic")["arn"] == f"{SNS}:users-topic"
    assert policy(recorded, ":TopicPolicy", "users-topic") == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "AccountByIam",
                "Effect": "Allow",
                "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
                "Action": [
                    "sns:DeleteTopic",
                    "sns:GetTopicAttributes",
                    "sns:ListSubscriptionsByTopic",
                    "sns:Publish",
                    "sns:SetTopicAttributes",
                    "sns:Subscribe",
                ],
                "Resource": f"{SNS}:users-topic",
            },
            {
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "sns:Publish",
                "Resource": f"{SNS}:users-topic",
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            },
        ],
    }


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
