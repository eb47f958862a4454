"""What travels is encrypted, and what enters is known and throttled."""

import fnmatch
from collections.abc import Iterator, Mapping
from typing import Any

from infra.policies.model import UNKNOWN, Resource, Stack, at, at_least, is_set, listed, may_be, rule
from infra.policies.permissions import principals, statements, texts

FORCES_TLS = {"postgres": ("rds.force_ssl", ("1",)), "mysql": ("require_secure_transport", ("1", "ON"))}
"""Family of a parameter group -> the parameter that refuses a connection without TLS, and its values for yes."""


@rule(
    "database-forces-tls",
    requires="A database refuses a connection without TLS.",
    remedy="Give it a parameter group with rds.force_ssl=1 (PostgreSQL), require_secure_transport=1 (MySQL).",
    types=("aws:rds/instance:Instance", "aws:rds/parameterGroup:ParameterGroup"),
)
def database_forces_tls(resource: Resource, _: Stack) -> Iterator[str]:
    props = resource.props
    if resource.type.endswith(":Instance"):
        group = props.get("parameterGroupName")
        if not is_set(group) or (isinstance(group, str) and group.startswith("default.")):
            yield "it has the default parameter group"
        return
    for family, (parameter, forcing) in FORCES_TLS.items():
        if isinstance(props.get("family"), str) and props["family"].startswith(family):
            values = [each for each in listed(props.get("parameters")) if may_be(at(each, "name"), parameter)]
            if props.get("parameters") is not UNKNOWN and not any(_is(at(each, "value"), forcing) for each in values):
                yield f"{parameter} is not {forcing[0]}"


def _is(value: Any, wanted: tuple[str, ...]) -> bool:
    return value is UNKNOWN or (f"{value:.0f}" if isinstance(value, float) else str(value).upper()) in wanted


TLS_1_2_OR_BETTER = ("ELBSecurityPolicy-TLS13-1-2-*", "ELBSecurityPolicy-TLS13-1-3-*", "ELBSecurityPolicy-FS-1-2-*")
"""https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html; the one that is
taken when none is named, ELBSecurityPolicy-2016-08, allows TLS 1.0."""


@rule(
    "listener-tls",
    requires="A listener with TLS accepts version 1.2 and better.",
    remedy="Set ssl_policy to ELBSecurityPolicy-TLS13-1-2-Res-2021-06 or a stricter one.",
    types=("aws:lb/listener:Listener", "aws:alb/listener:Listener"),
)
def listener_tls(resource: Resource, _: Stack) -> Iterator[str]:
    policy = resource.props.get("sslPolicy")
    if resource.props.get("protocol") not in ("HTTPS", "TLS") or policy is UNKNOWN:
        return
    if not any(fnmatch.fnmatchcase(policy or "", each) for each in TLS_1_2_OR_BETTER):
        yield f"sslPolicy is {policy}" if policy else "sslPolicy is missing: it would be one with TLS 1.0"


@rule(
    "domain-tls",
    requires="The domain of an API accepts TLS 1.2 and better.",
    remedy="Set security_policy=TLS_1_2.",
    types=("aws:apigatewayv2/domainName:DomainName",),
)
def domain_tls(resource: Resource, _: Stack) -> Iterator[str]:
    policy = at(resource.props, "domainNameConfiguration", "securityPolicy")
    if not may_be(policy, "TLS_1_2"):
        yield f"securityPolicy is {policy}"


PROTECTED_CALLS = {
    "aws:sqs/queuePolicy:QueuePolicy": ("sqs:SendMessage", "sqs:ReceiveMessage"),
    "aws:sns/topicPolicy:TopicPolicy": ("sns:Publish",),
    "aws:s3/bucketPolicy:BucketPolicy": ("s3:GetObject", "s3:PutObject"),
}
"""Policy -> the calls with content; a wildcard covers them, too (SNS has none in the policy of a topic)."""


@rule(
    "messages-over-tls",
    requires="The policy of a queue, a topic or a bucket denies every call without TLS.",
    remedy='Add a statement that denies it to everybody under {"Bool": {"aws:SecureTransport": "false"}}.',
    types=tuple(PROTECTED_CALLS),
)
def messages_over_tls(resource: Resource, _: Stack) -> Iterator[str]:
    policy = resource.props.get("policy")
    if policy is UNKNOWN:
        return
    denied = [
        action.lower()
        for each in statements(policy)
        if each.get("Effect") == "Deny" and ("AWS", "*") in principals(each) and _without_tls(each)
        for action in texts(each.get("Action"))
    ]
    for call in PROTECTED_CALLS[resource.type]:
        if not any(fnmatch.fnmatchcase(call.lower(), action) for action in denied):
            yield f"it does not deny {call} without TLS"


def _without_tls(statement: Mapping[str, Any]) -> bool:
    """Whether its only condition is that TLS is missing."""
    conditions = statement.get("Condition")
    tests = [(key.lower(), listed(value)) for test in (conditions or {}).values() for key, value in test.items()]
    return [(key, [str(each).lower() for each in values]) for key, values in tests] == [
        ("aws:securetransport", ["false"])
    ]


@rule(
    "queue-and-topic-have-policies",
    requires="A queue and a topic have a policy, which says who may use them, and that by TLS.",
    remedy="Add a QueuePolicy or a TopicPolicy.",
    types=("aws:sqs/queue:Queue", "aws:sns/topic:Topic"),
    whole_stack=True,
)
def queue_and_topic_have_policies(resource: Resource, stack: Stack) -> Iterator[str]:
    kind = "queue" if resource.type.endswith(":Queue") else "topic"
    service = {"queue": "sqs", "topic": "sns"}[kind]
    if not stack.dependents(resource, f"aws:{service}/{kind}Policy:{kind.capitalize()}Policy"):
        yield f"it has no {kind.capitalize()}Policy"


@rule(
    "route-authorized",
    requires="A route needs a token with a scope, unless a declaration calls it public.",
    remedy="Name scopes of the route in its service.yaml, or say `public: true` there.",
    types=("aws:apigatewayv2/route:Route",),
)
def route_authorized(resource: Resource, stack: Stack) -> Iterator[str]:
    props = resource.props
    kind, key = props.get("authorizationType", "NONE"), props.get("routeKey")
    if kind is UNKNOWN or (kind == "NONE" and (key is UNKNOWN or key in stack.public_routes)):
        return
    if kind != "JWT":
        yield f"anybody may call {key}" if kind == "NONE" else f"{key} is guarded by {kind}, not by a token"
        return
    if not is_set(props.get("authorizerId")):
        yield f"{key} names no authorizer"
    if not is_set(props.get("authorizationScopes")):
        yield f"{key} takes any token: it names no scope"


@rule(
    "stage-throttled",
    requires="A stage limits the rate and the burst of every route.",
    remedy="Set both throttling limits above 0, by default and for each route: a missing one counts as 0.",
    types=("aws:apigatewayv2/stage:Stage",),
)
def stage_throttled(resource: Resource, _: Stack) -> Iterator[str]:
    settings = [("every route", resource.props.get("defaultRouteSettings"))]
    settings += [(str(at(each, "routeKey")), each) for each in listed(resource.props.get("routeSettings"))]
    for route, limits in settings:
        for limit in ("throttlingRateLimit", "throttlingBurstLimit"):
            value = at(limits, limit)
            if not at_least(value, 1):
                yield f"{limit} of {route} is {'missing' if value is None else value}"
