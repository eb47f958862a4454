"""What a declaration becomes on AWS: the fixed set of resources that a service adds."""

import re

from infra.capabilities.messages.declaration import subscriptions
from infra.service.catalogue import Catalogue, ServiceSpec


def slice_of(spec: ServiceSpec, declared: Catalogue, small: bool) -> set[str]:
    """`<type> <name>` of everything that is there because of this declaration, and of no other.

    A `small` environment shares database instances and has no dashboard for each service.
    """
    name = spec.name
    made = {
        f"shop:aws:Service {name}",
        f"shop:aws:Watch {name}-watch",
        *_image(name),
        *_workload(name),
    }
    if spec.scopes:
        made |= {f"cognito:ResourceServer people-{name}"}
    if spec.routes:
        made |= _entrance(spec)
    if spec.relational_engine:
        made |= _database(spec, small)
    if spec.has_table:
        made |= {
            f"shop:aws:Table {name}-table",
            f"dynamodb:Table {name}-table",
            f"cloudwatch:MetricAlarm {name}-watch-table-throttled",
        }
    if spec.publishes:
        made |= {f"shop:aws:Topic {name}-topic", f"sns:Topic {name}-topic", f"sns:TopicPolicy {name}-topic"}
    if spec.subscribes:
        made |= _queue(spec, declared)
    if spec.database or spec.publishes or spec.subscribes or spec.identity:
        made |= _identity(name)
    if not small:
        made |= {f"cloudwatch:Dashboard {name}-watch"}
    return made


def _image(name: str) -> set[str]:
    return {
        f"shop:aws:Repository {name}-image",
        f"ecr:Repository {name}-image-repository",
        f"ecr:LifecyclePolicy {name}-image-lifecycle",
    }


def _workload(name: str) -> set[str]:
    kinds = (
        "ServiceAccount",
        "Deployment",
        "Service",
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
        "NetworkPolicy",
    )
    return {f"shop:kubernetes:Workload {name}", *(f"{kind} {name}" for kind in kinds)}


def _identity(account: str) -> set[str]:
    kinds = ("shop:aws:WorkloadIdentity", "iam:Role", "iam:RolePolicy", "eks:PodIdentityAssociation")
    return {f"{kind} {account}-identity" for kind in kinds}


def _entrance(spec: ServiceSpec) -> set[str]:
    name = spec.name
    alarms = ("errors", "latency", "nobody-answers")
    return {
        f"shop:aws:ServiceIngress {name}-entrance",
        f"apigatewayv2:Integration {name}-entrance",
        f"lb:TargetGroup {name}",
        f"lb:ListenerRule {name}-entrance",
        f"TargetGroupBinding {name}",
        *(f"apigatewayv2:Route {re.sub('{[a-z]+', '{', route.key)}" for route in spec.routes),
        *(f"cloudwatch:MetricAlarm {name}-watch-{alarm}" for alarm in alarms),
    }


def _database(spec: ServiceSpec, shared: bool) -> set[str]:
    """On a shared instance a database and a role of its own, which the bootstrap makes."""
    name = spec.name
    made = {
        f"Job {name}-bootstrap",
        f"Job {name}-migration",
        f"ServiceAccount {name}-bootstrap",
        f"NetworkPolicy {name}-jobs",
        *_identity(f"{name}-bootstrap"),
    }
    return (
        made
        if shared or spec.database is None
        else made | instance(f"{name}-database", f"{name}-watch", spec.database.engine)
    )


def instance(name: str, watch: str, engine: str) -> set[str]:
    logs = {
        "postgres": ("iam-db-auth-error", "postgresql", "upgrade"),
        "mysql": ("error", "iam-db-auth-error", "slowquery"),
    }
    alarms = ("connections", "cpu", "storage")
    return {
        f"shop:aws:DatabaseInstance {name}",
        f"rds:Instance {name}",
        f"rds:ParameterGroup {name}",
        f"ec2:SecurityGroup {name}",
        f"vpc:SecurityGroupIngressRule {name}-from-clients",
        *(f"cloudwatch:LogGroup {name}-{log}" for log in logs[engine]),
        *(f"cloudwatch:MetricAlarm {watch}-database-{alarm}" for alarm in alarms),
    }


def _queue(spec: ServiceSpec, declared: Catalogue) -> set[str]:
    name = spec.name
    return {
        f"shop:aws:Queue {name}-queue",
        f"sqs:Queue {name}-queue",
        f"sqs:Queue {name}-queue-dead",
        f"sqs:QueuePolicy {name}-queue",
        f"sqs:QueuePolicy {name}-queue-dead",
        f"sqs:RedriveAllowPolicy {name}-queue-dead",
        *(f"sns:TopicSubscription {name}-queue-from-{publisher}" for publisher in subscriptions(spec, declared)),
        *(f"cloudwatch:MetricAlarm {name}-watch-{alarm}" for alarm in ("dead-letters", "oldest-message")),
    }
