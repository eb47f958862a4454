"""Topics, queues and subscriptions on the emulator: the same settings as on AWS."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import pulumi
from pulumi.dynamic import Resource

from infra.contract import DEAD_LETTER_RETENTION_SECONDS, RECEIVE_WAIT_SECONDS
from infra.local.cloud import EmulatedProvider, client
from infra.local.provider import Properties

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient
    from types_boto3_sqs.literals import QueueAttributeNameType


class _TopicProvider(EmulatedProvider):
    outputs: ClassVar[tuple[str, ...]] = ("arn",)

    def ensure(self, inputs: Properties, before: Properties) -> Properties:
        return {"arn": client("sns", inputs["endpoint"]).create_topic(Name=inputs["name"])["TopicArn"]}

    def look(self, properties: Properties) -> None:
        client("sns", properties["endpoint"]).get_topic_attributes(TopicArn=properties["arn"])

    def remove(self, properties: Properties) -> None:
        client("sns", properties["endpoint"]).delete_topic(TopicArn=properties["arn"])


class Topic(Resource, module="local", name="Topic"):
    """The topic of a publishing service."""

    arn: pulumi.Output[str]

    def __init__(self, name: str, endpoint: pulumi.Input[str], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(_TopicProvider(), name, {"name": name, "endpoint": endpoint, "arn": None}, opts)


class _QueueProvider(EmulatedProvider):
    outputs: ClassVar[tuple[str, ...]] = ("url", "arn")

    def ensure(self, inputs: Properties, before: Properties) -> Properties:
        sqs, name = client("sqs", inputs["endpoint"]), str(inputs["name"])
        dead = _made(sqs, f"{name}-dead", {"MessageRetentionPeriod": str(DEAD_LETTER_RETENTION_SECONDS)})
        redrive = {"deadLetterTargetArn": _arn(sqs, dead), "maxReceiveCount": int(inputs["max_deliveries"])}
        url = _made(
            sqs,
            name,
            {
                "VisibilityTimeout": str(int(inputs["visibility_seconds"])),
                "ReceiveMessageWaitTimeSeconds": str(RECEIVE_WAIT_SECONDS),
                "RedrivePolicy": json.dumps(redrive),
            },
        )
        allowed = {"redrivePermission": "byQueue", "sourceQueueArns": [_arn(sqs, url)]}
        sqs.set_queue_attributes(QueueUrl=dead, Attributes={"RedriveAllowPolicy": json.dumps(allowed)})
        return {"url": url, "arn": _arn(sqs, url)}

    def look(self, properties: Properties) -> None:
        for name in (properties["name"], f"{properties['name']}-dead"):
            client("sqs", properties["endpoint"]).get_queue_url(QueueName=name)

    def remove(self, properties: Properties) -> None:
        """Removes queues that are empty. Messages are data: a queue that holds some stays, and is adopted again."""
        sqs = client("sqs", properties["endpoint"])
        for name in (properties["name"], f"{properties['name']}-dead"):
            try:
                url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
            except sqs.exceptions.QueueDoesNotExist:
                continue
            counted: list[QueueAttributeNameType] = [
                "ApproximateNumberOfMessages",
                "ApproximateNumberOfMessagesNotVisible",
            ]
            counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=counted)["Attributes"]
            if not any(int(count) for count in counts.values()):
                sqs.delete_queue(QueueUrl=url)


class Queue(Resource, module="local", name="Queue"):
    """The queue of a subscribing service, with its dead-letter queue."""

    url: pulumi.Output[str]
    arn: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        endpoint: pulumi.Input[str],
        max_deliveries: int,
        visibility_seconds: int,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        properties = {
            "name": name,
            "endpoint": endpoint,
            "max_deliveries": max_deliveries,
            "visibility_seconds": visibility_seconds,
            "url": None,
            "arn": None,
        }
        super().__init__(_QueueProvider(), name, properties, opts)


class _SubscriptionProvider(EmulatedProvider):
    outputs: ClassVar[tuple[str, ...]] = ("arn",)
    replaces: ClassVar[tuple[str, ...]] = ("name", "topic", "queue")

    def ensure(self, inputs: Properties, before: Properties) -> Properties:
        sns = client("sns", inputs["endpoint"])
        arn = sns.subscribe(
            TopicArn=inputs["topic"], Protocol="sqs", Endpoint=inputs["queue"], ReturnSubscriptionArn=True
        )["SubscriptionArn"]
        attributes = {
            "RawMessageDelivery": "true",
            "FilterPolicyScope": "MessageAttributes",
            "FilterPolicy": json.dumps({"event_type": inputs["event_types"]}),
        }
        for name, value in attributes.items():
            sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName=name, AttributeValue=value)
        return {"arn": arn}

    def look(self, properties: Properties) -> None:
        client("sns", properties["endpoint"]).get_subscription_attributes(SubscriptionArn=properties["arn"])

    def remove(self, properties: Properties) -> None:
        client("sns", properties["endpoint"]).unsubscribe(SubscriptionArn=properties["arn"])


class Subscription(Resource, module="local", name="Subscription"):
    """Brings the named event types of a topic to a queue, as they were published."""

    def __init__(
        self,
        name: str,
        endpoint: pulumi.Input[str],
        topic: Topic,
        queue: Queue,
        event_types: Sequence[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        properties = {
            "name": name,
            "endpoint": endpoint,
            "topic": topic.arn,
            "queue": queue.arn,
            "event_types": list(event_types),
            "arn": None,
        }
        super().__init__(_SubscriptionProvider(), name, properties, opts)


def _made(sqs: "SQSClient", name: str, attributes: "dict[QueueAttributeNameType, str]") -> str:
    """The URL of the queue of that name, with these attributes, whether it was there or not."""
    try:
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    except sqs.exceptions.QueueDoesNotExist:
        return sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)
    return url


def _arn(sqs: "SQSClient", url: str) -> str:
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
