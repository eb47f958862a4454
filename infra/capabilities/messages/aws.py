"""Messages on AWS: a topic for each service that publishes, a queue with dead letters for each that subscribes.

An event carries its type in the message attribute `event_type`, and arrives as it was published.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws
from pulumi import ResourceOptions

from infra.aws import tags
from infra.aws.foundation import Capability, Foundation
from infra.capabilities.messages import signals
from infra.capabilities.messages.declaration import MessagesDeclaration, subscriptions
from infra.contract import DEAD_LETTER_RETENTION_SECONDS, NOTHING, RECEIVE_WAIT_SECONDS, Binding, Statement, combined

RETENTION_SECONDS = 4 * 24 * 3600

TOPIC_KEY = "alias/aws/sns"
"""AWS's key for SNS, not one of ours. Its policy lets every principal of the account use it through SNS, who may
publish then being a matter of the topic alone; a customer's key would have to be given to every publishing service
(kms:GenerateDataKey, kms:Decrypt), one key to all of them. SNS decrypts before it delivers, so subscribed queues need
nothing. What it cannot do is to be published to by AWS services, alarms for instance; nothing but pods publishes here.
(SNS developer guide: Managing Amazon SNS encryption keys and costs.)"""


class Messages(Capability):
    def __init__(self, on: Foundation) -> None:
        """The topics of all services are there before the first queue subscribes."""
        super().__init__(on)
        self._topics = {
            spec.name: Topic(f"{spec.name}-topic", TopicArgs(service=spec.name), on.opts)
            for spec in on.catalogue
            if spec.publishes
        }

    def bind(self, spec: MessagesDeclaration, opts: ResourceOptions) -> Binding:
        return combined([self._published(spec), self._subscribed(spec, opts)])

    def _published(self, spec: MessagesDeclaration) -> Binding:
        if not spec.publishes:
            return NOTHING
        arn = self._topics[spec.name].arn
        return Binding(variables={"TOPIC_ARN": arn}, statements=publish_to(arn))

    def _subscribed(self, spec: MessagesDeclaration, opts: ResourceOptions) -> Binding:
        if not spec.subscribes:
            return NOTHING
        declared = spec.queue
        args = QueueArgs(
            service=spec.name,
            max_deliveries=declared.max_deliveries,
            visibility_seconds=declared.visibility_seconds,
            subscriptions={
                publisher: Subscription(topic_arn=self._topics[publisher].arn, event_types=event_types)
                for publisher, event_types in subscriptions(spec, self.on.catalogue).items()
            },
        )
        queue = Queue(f"{spec.name}-queue", args, opts)
        return Binding(
            variables={"QUEUE_URL": queue.url, "QUEUE_VISIBILITY_SECONDS": str(declared.visibility_seconds)},
            statements=consume_from(queue.arn),
            charts=signals.charts(queue.name, queue.dead_letter_name),
            alarms=signals.alarms(queue.name, queue.dead_letter_name),
        )


def publish_to(topic_arn: pulumi.Input[str]) -> list[Statement]:
    """PublishBatch is allowed by the same action."""
    return [Statement(actions=["sns:Publish"], resources=[topic_arn])]


def consume_from(queue_arn: pulumi.Input[str]) -> list[Statement]:
    """The batch calls are allowed by the same actions."""
    actions = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:ReceiveMessage"]
    return [Statement(actions=actions, resources=[queue_arn])]


def _tls_only(action: str, resource: pulumi.Input[str]) -> dict[str, Any]:
    return {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": resource,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def _document(*statements: Mapping[str, Any]) -> pulumi.Output[str]:
    # Without this version a policy has no variables and, for queues, no aws:SourceArn that works.
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": list(statements)})


def _account_root(arn: str) -> str:
    account = arn.split(":")[4]
    return f"arn:aws:iam::{account}:root"


@dataclass(frozen=True, kw_only=True)
class TopicArgs:
    service: str
    """Who publishes."""


class Topic(pulumi.ComponentResource):
    """The topic of a publishing service."""

    arn: pulumi.Output[str]
    name: pulumi.Output[str]

    def __init__(self, name: str, args: TopicArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("shop:aws:Topic", name, None, opts)
        topic = aws.sns.Topic(
            name,
            kms_master_key_id=TOPIC_KEY,
            tags=tags.of_service(args.service),
            opts=ResourceOptions(parent=self),
        )
        # SNS's own default lets every principal of the account publish, whatever IAM says of it. Naming the account
        # instead leaves it to IAM: only a role that is allowed to may publish.
        aws.sns.TopicPolicy(
            name,
            arn=topic.arn,
            policy=_document(
                {
                    "Sid": "AccountByIam",
                    "Effect": "Allow",
                    "Principal": {"AWS": topic.arn.apply(_account_root)},
                    "Action": [
                        "sns:DeleteTopic",
                        "sns:GetTopicAttributes",
                        "sns:ListSubscriptionsByTopic",
                        "sns:Publish",
                        "sns:SetTopicAttributes",
                        "sns:Subscribe",
                    ],
                    "Resource": topic.arn,
                },
                _tls_only("sns:Publish", topic.arn),
            ),
            opts=ResourceOptions(parent=self),
        )
        self.arn, self.name = topic.arn, topic.name
        self.register_outputs({"arn": self.arn, "name": self.name})


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """What a queue takes of one topic."""

    topic_arn: pulumi.Input[str]
    event_types: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class QueueArgs:
    service: str
    """Who consumes."""
    max_deliveries: int
    """After so many a message is set aside."""
    visibility_seconds: int
    subscriptions: Mapping[str, Subscription]
    """Publishing service -> what this one takes of its topic. At least one, each with an event type."""

    def __post_init__(self) -> None:
        empty = [publisher for publisher, subscription in self.subscriptions.items() if not subscription.event_types]
        if empty or not self.subscriptions:
            # An empty filter would let every event through, an empty list of topics every topic.
            raise ValueError(f"the queue of {self.service} takes nothing of {', '.join(empty) or 'anybody'}")


class Queue(pulumi.ComponentResource):
    """The queue of a subscribing service, with a dead-letter queue and its subscriptions.

    The dead-letter queue gets what was delivered in vain too often and what SNS could not deliver at all.
    """

    arn: pulumi.Output[str]
    url: pulumi.Output[str]
    name: pulumi.Output[str]
    dead_letter_arn: pulumi.Output[str]
    dead_letter_name: pulumi.Output[str]

    def __init__(self, name: str, args: QueueArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("shop:aws:Queue", name, None, opts)
        self._args = args
        service_tags = tags.of_service(args.service)
        dead = aws.sqs.Queue(
            f"{name}-dead",
            message_retention_seconds=DEAD_LETTER_RETENTION_SECONDS,
            receive_wait_time_seconds=RECEIVE_WAIT_SECONDS,
            sqs_managed_sse_enabled=True,
            tags=service_tags,
            opts=ResourceOptions(parent=self),
        )
        queue = aws.sqs.Queue(
            name,
            visibility_timeout_seconds=args.visibility_seconds,
            message_retention_seconds=RETENTION_SECONDS,
            receive_wait_time_seconds=RECEIVE_WAIT_SECONDS,
            sqs_managed_sse_enabled=True,
            redrive_policy=pulumi.Output.json_dumps(
                {"deadLetterTargetArn": dead.arn, "maxReceiveCount": args.max_deliveries}
            ),
            tags=service_tags,
            opts=ResourceOptions(parent=self),
        )
        aws.sqs.RedriveAllowPolicy(
            f"{name}-dead",
            queue_url=dead.url,
            redrive_allow_policy=pulumi.Output.json_dumps(
                {"redrivePermission": "byQueue", "sourceQueueArns": [queue.arn]}
            ),
            opts=ResourceOptions(parent=self),
        )
        policies = [self._policy(name, queue), self._policy(f"{name}-dead", dead)]
        self._subscribe(name, queue, dead, policies)
        self.arn, self.url, self.name = queue.arn, queue.url, queue.name
        self.dead_letter_arn, self.dead_letter_name = dead.arn, dead.name
        self.register_outputs({"arn": self.arn, "url": self.url, "dead_letter_arn": self.dead_letter_arn})

    def _policy(self, name: str, queue: aws.sqs.Queue) -> aws.sqs.QueuePolicy:
        """The subscribed topics may send to it, nobody else; who receives is a matter of IAM."""
        topics = [subscription.topic_arn for _, subscription in sorted(self._args.subscriptions.items())]
        from_topics = {
            "Sid": "SubscribedTopics",
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": queue.arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": topics}},
        }
        return aws.sqs.QueuePolicy(
            name,
            queue_url=queue.url,
            policy=_document(from_topics, _tls_only("sqs:*", queue.arn)),
            opts=ResourceOptions(parent=self),
        )

    def _subscribe(
        self, name: str, queue: aws.sqs.Queue, dead: aws.sqs.Queue, policies: Sequence[pulumi.Resource]
    ) -> None:
        for publisher, subscription in self._args.subscriptions.items():
            aws.sns.TopicSubscription(
                f"{name}-from-{publisher}",
                topic=subscription.topic_arn,
                protocol="sqs",
                endpoint=queue.arn,
                raw_message_delivery=True,
                filter_policy_scope="MessageAttributes",
                filter_policy=pulumi.Output.json_dumps({"event_type": list(subscription.event_types)}),
                redrive_policy=pulumi.Output.json_dumps({"deadLetterTargetArn": dead.arn}),
                # What is published before the queue may be sent to would be lost.
                opts=ResourceOptions(parent=self, depends_on=policies),
            )
