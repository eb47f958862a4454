"""Dashboards, and alarms that a person is told of.

A dashboard costs 3 dollars a month from the fourth one of an account on, an alarm 0.10 for each metric it looks at.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws
from pulumi import ResourceOptions

from infra.aws import alarms, dashboards, tags
from infra.aws.environment import Environment
from infra.signals import Alarm, Chart


@dataclass(frozen=True, kw_only=True)
class AlarmsArgs:
    environment: Environment
    email: str | None
    """Who is told. The address has to be confirmed by a link in the first mail."""


class Alarms(pulumi.ComponentResource):
    """A topic that alarms of this account, and nobody else, can publish on, encrypted.

    It has a key of its own: CloudWatch may not use the one that AWS keeps for SNS, its messages would vanish.
    """

    topic_arn: pulumi.Output[str]

    def __init__(self, name: str, args: AlarmsArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("shop:aws:Alarms", name, None, opts)
        account = args.environment.account
        sources = f"arn:aws:cloudwatch:{args.environment.region}:{account}:alarm:*"
        ours = {"StringEquals": {"aws:SourceAccount": account}, "ArnLike": {"aws:SourceArn": sources}}
        key = aws.kms.Key(
            name,
            description=f"Alarms of {args.environment.prefix}",
            enable_key_rotation=True,
            policy=pulumi.Output.json_dumps(_key_policy(account, ours)),
            opts=ResourceOptions(parent=self),
        )
        topic = aws.sns.Topic(
            name,
            display_name=f"Alarms of {args.environment.prefix}",
            kms_master_key_id=key.arn,
            opts=ResourceOptions(parent=self),
        )
        aws.sns.TopicPolicy(
            name,
            arn=topic.arn,
            policy=pulumi.Output.json_dumps(_topic_policy(topic.arn, ours)),
            opts=ResourceOptions(parent=self),
        )
        if args.email is not None:
            aws.sns.TopicSubscription(
                name, topic=topic.arn, protocol="email", endpoint=args.email, opts=ResourceOptions(parent=self)
            )
        self.topic_arn = topic.arn
        self.register_outputs({"topic_arn": self.topic_arn})


def _key_policy(account: str, ours: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "IamDecides",
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
                "Action": "kms:*",
                "Resource": "*",
            },
            {
                "Sid": "AlarmsPublish",
                "Effect": "Allow",
                "Principal": {"Service": "cloudwatch.amazonaws.com"},
                "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
                "Resource": "*",  # of a key policy: this key
                "Condition": ours,
            },
        ],
    }


def _topic_policy(topic_arn: pulumi.Output[str], ours: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "AlarmsPublish",
                "Effect": "Allow",
                "Principal": {"Service": "cloudwatch.amazonaws.com"},
                "Action": "sns:Publish",
                "Resource": topic_arn,
                "Condition": ours,
            },
            {
                "Sid": "EncryptedOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "sns:Publish",
                "Resource": topic_arn,
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            },
        ],
    }


@dataclass(frozen=True, kw_only=True)
class WatchArgs:
    environment: Environment
    service: str
    """Or the engine of an instance that services share."""
    alarm_topic_arn: pulumi.Input[str]
    dashboard: bool
    charts: Sequence[Chart]
    alarms: Sequence[Alarm]


class Watch(pulumi.ComponentResource):
    """An eye on one service: a dashboard of all that it has, and the alarms for it."""

    dashboard_url: str | None
    """None without a dashboard, and for a service that has nothing to look at."""

    def __init__(self, name: str, args: WatchArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("shop:aws:Watch", name, None, opts)
        prefix = f"{args.environment.prefix}-{args.service}"
        child = ResourceOptions(parent=self)
        shown = args.charts if args.dashboard else ()
        self.dashboard_url = _dashboard(name, prefix, args.environment.region, shown, child) if shown else None
        _alarms(name, prefix, args.alarms, args.alarm_topic_arn, tags.of_service(args.service), child)
        self.register_outputs({"dashboard_url": self.dashboard_url})


@dataclass(frozen=True, kw_only=True)
class OverviewArgs:
    environment: Environment
    api_id: pulumi.Input[str]
    load_balancer_arn_suffix: pulumi.Input[str]
    alarm_topic_arn: pulumi.Input[str]
    nat_gateway_ids: Sequence[pulumi.Input[str]]
    cluster_name: pulumi.Input[str] | None
    """None: Container Insights is off."""


class Overview(pulumi.ComponentResource):
    """An eye on the environment: what people see of it, its way out, and its nodes."""

    dashboard_url: str

    def __init__(self, name: str, args: OverviewArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("shop:aws:Overview", name, None, opts)
        shown = [
            *dashboards.gateway(args.api_id, args.load_balancer_arn_suffix),
            *dashboards.network(args.nat_gateway_ids),
            *(dashboards.cluster(args.cluster_name) if args.cluster_name is not None else ()),
        ]
        child = ResourceOptions(parent=self)
        self.dashboard_url = _dashboard(name, args.environment.prefix, args.environment.region, shown, child)
        _alarms(name, args.environment.prefix, alarms.gateway(args.api_id), args.alarm_topic_arn, None, child)
        self.register_outputs({"dashboard_url": self.dashboard_url})


def _dashboard(name: str, physical: str, region: str, charts: Sequence[Chart], opts: ResourceOptions) -> str:
    """Makes the dashboard and returns its address, which people keep; hence a name without random characters."""
    document = pulumi.Output.json_dumps(dashboards.body(charts, region))
    aws.cloudwatch.Dashboard(name, dashboard_name=physical, dashboard_body=document, opts=opts)
    return dashboards.url(region, physical)


def _alarms(
    name: str,
    prefix: str,
    alarms_of_it: Sequence[Alarm],
    topic_arn: pulumi.Input[str],
    carried: Mapping[str, str] | None,
    opts: ResourceOptions,
) -> None:
    """A person reads their names in a mail: no random characters in them."""
    for alarm in alarms_of_it:
        physical = f"{prefix}-{alarm.key}"
        alarms.create_metric_alarm(f"{name}-{alarm.key}", alarm, physical, topic_arn, carried, opts)
