"""What every environment promises, as checks of a plan: each gives back what breaks it, or nothing.

Policies (infra/policies) look at what anybody's resources should be; these know our program.
"""

from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from itertools import product
from typing import Any

from infra.capabilities.calls.declaration import callers as callers_of
from infra.capabilities.messages.declaration import subscriptions
from infra.service.catalogue import Catalogue
from plans.made_up import ACCOUNT, REGION
from plans.planned import Plan, Planned
from tests.aws.planning import document, short

Promise = Callable[[Plan, Catalogue], Iterator[str]]

OF_NODES = "kubernetes:"
RUNS = (":Deployment", ":Job")


def what_is_in_the_cluster_outlives_nothing_it_needs(plan: Plan, declared: Catalogue) -> Iterator[str]:
    """Every object waits for the cluster, for access to it and for the way out, and so goes before they do."""
    needed = [
        each
        for kind in ("eks/cluster:Cluster", "eks/accessPolicyAssociation:AccessPolicyAssociation")
        for each in plan.of_type(kind)
    ]
    needed += plan.of_type("ec2/natGateway:NatGateway")
    needed += [each for each in plan.of_type("ec2/route:Route") if "private" in each.name]
    needed += [
        each
        for each in plan.of_type("ec2/routeTableAssociation:RouteTableAssociation")
        if each.name.startswith("network-private")
    ]
    if len({each.type for each in needed}) < 5:
        yield "one of cluster, access, NAT gateway, route and association is not there at all"
    for each in plan.resources:
        if each.type.startswith(OF_NODES):
            needs = plan.needs(each)
            yield from (f"{short(each)} does not wait for {short(other)}" for other in needed if other.urn not in needs)


def pods_wait_for_nodes_and_rules(plan: Plan, declared: Catalogue) -> Iterator[str]:
    """A pod that starts before its network policy is open to all; one after its nodes is never removed."""
    first = [plan.one(":NodePool"), plan.one(":NetworkPolicy", "platform-default-deny")]
    for each in _that_run(plan):
        policies = [other for other in plan.of_type(":NetworkPolicy") if _same_workload(each, other)]
        for other in [*first, *policies]:
            if other.urn not in plan.needs(each):
                yield f"{short(each)} does not wait for {short(other)}"


def pods_wait_for_their_identity(plan: Plan, declared: Catalogue) -> Iterator[str]:
    """A pod that starts before its association has no credentials, and never gets any."""
    associations = {each.inputs["serviceAccount"]: each for each in plan.of_type(":PodIdentityAssociation")}
    for each in _that_run(plan):
        account = each.inputs["spec"]["template"]["spec"]["serviceAccountName"]
        if account not in associations:
            continue
        association = associations[account]
        policies = [
            other
            for other in plan.of_type("iam/rolePolicy:RolePolicy")
            if other.inputs["role"] == association.inputs["roleArn"].rpartition("/")[2]
        ]
        for other in [association, *policies]:
            if other.urn not in plan.needs(each):
                yield f"{short(each)} does not wait for {short(other)}"


def a_service_starts_after_its_migration_and_that_after_the_bootstrap(plan: Plan, declared: Catalogue) -> Iterator[str]:
    for spec in declared:
        if not spec.relational_engine:
            continue
        deployment = plan.one(":Deployment", spec.name)
        migration = plan.one(":Job", f"{spec.name}-migration")
        bootstrap = plan.one(":Job", f"{spec.name}-bootstrap")
        if migration.urn not in plan.needs(deployment):
            yield f"{short(deployment)} does not wait for its migration"
        if bootstrap.urn not in plan.needs(migration):
            yield f"{short(migration)} does not wait for the bootstrap"


def nothing_slow_waits_for_the_cluster(plan: Plan, declared: Catalogue) -> Iterator[str]:
    """What takes minutes comes up beside the cluster, and the cluster beside the way out."""
    cluster = plan.one("eks/cluster:Cluster").urn
    kinds = ("rds/instance:Instance", "natGateway:NatGateway", "loadBalancer:LoadBalancer", "vpcLink:VpcLink")
    for each in (each for kind in (*kinds, "docker-build:index:Image") for each in plan.of_type(kind)):
        if cluster in plan.needs(each):
            yield f"{short(each)} waits for the cluster"
    for each in plan.of_type("natGateway:NatGateway"):
        if each.urn in plan.needs(plan.by_urn[cluster]):
            yield f"the cluster waits for {short(each)}"


def a_role_names_only_what_is_its_own(plan: Plan, declared: Catalogue) -> Iterator[str]:
    """No ARN of another service is in a service's role."""
    owned = {
        spec.name: {
            each.urn: each.name
            for each in plan.resources
            if each.type.startswith("aws:") and each.inputs.get("tags", {}).get("Service") == spec.name
        }
        for spec in declared
    }
    for spec, other in product(declared, declared):
        if spec.name == other.name:
            continue
        for name in (f"{spec.name}-identity", f"{spec.name}-bootstrap-identity"):
            policies = [each for each in plan.of_type("iam/rolePolicy:RolePolicy") if each.name == name]
            for policy in policies:
                arns = _arns(policy)
                foreign = {
                    part
                    for arn in arns
                    for part in owned[other.name].values()
                    if arn.endswith((f":{part}", f"/{part}"))
                }
                yield from (f"{name} names {part} of {other.name}" for part in sorted(foreign))


def a_role_connects_as_its_own_user(plan: Plan, declared: Catalogue) -> Iterator[str]:
    for spec in declared:
        for policy in plan.of_type("iam/rolePolicy:RolePolicy"):
            if policy.name == f"{spec.name}-identity":
                users = [arn.rpartition("/")[2] for arn in _arns(policy) if ":dbuser:" in arn]
                yield from (f"{spec.name} may connect as {user}" for user in users if user != spec.module)


def a_role_is_for_one_service_account(plan: Plan, declared: Catalogue) -> Iterator[str]:
    roles = [each.inputs["roleArn"] for each in plan.of_type(":PodIdentityAssociation")]
    yield from (f"{role} is given to two service accounts" for role in sorted({r for r in roles if roles.count(r) > 1}))


def every_topic_a_queue_takes_from_may_send_to_it(plan: Plan, declared: Catalogue) -> Iterator[str]:
    """An emulator delivers without a queue policy; AWS drops the message."""
    policies = {each.inputs["queueUrl"]: each for each in plan.of_type(":QueuePolicy")}
    for each in plan.of_type(":TopicSubscription"):
        name = each.inputs["endpoint"].rpartition(":")[2]
        policy = next((found for url, found in policies.items() if url.endswith(f"/{name}")), None)
        if policy is None:
            yield f"{name} has no policy"
            continue
        allowed = [s for s in document(policy.inputs["policy"])["Statement"] if s["Effect"] == "Allow"]
        if not any(each.inputs["topic"] in s["Condition"]["ArnEquals"]["aws:SourceArn"] for s in allowed):
            yield f"{name} does not admit {each.inputs['topic']}"
        if policy.urn not in plan.needs(each):
            yield f"{short(each)} does not wait for the queue's policy"


def every_declared_event_arrives_and_no_other(plan: Plan, declared: Catalogue) -> Iterator[str]:
    for spec in declared:
        wanted = dict(subscriptions(spec, declared))
        for each in plan.of_type(":TopicSubscription"):
            name, _, publisher = each.name.rpartition("-queue-from-")
            if name == spec.name:
                expected = wanted.pop(publisher, None)
                if document(each.inputs["filterPolicy"]) != {"event_type": expected}:
                    yield f"{each.name} takes {each.inputs['filterPolicy']}, not {expected}"
                if not each.inputs.get("rawMessageDelivery"):
                    yield f"{each.name} wraps its messages"
        yield from (f"{spec.name} takes nothing of {publisher}" for publisher in wanted)


def every_declared_route_is_there_with_its_scopes_and_throttle(plan: Plan, declared: Catalogue) -> Iterator[str]:
    routes = {each.inputs["routeKey"]: each.inputs for each in plan.of_type("apigatewayv2/route:Route")}
    limits = {each["routeKey"]: each for each in plan.one("apigatewayv2/stage:Stage").inputs.get("routeSettings", [])}
    expected = {route.key: route for spec in declared for route in spec.routes}
    yield from (f"{key} is not declared" for key in sorted(set(routes) - set(expected)))
    yield from (f"{key} is not there" for key in sorted(set(expected) - set(routes)))
    for key in sorted(set(expected) & set(routes)):
        route, made = expected[key], routes[key]
        if made["authorizationType"] != ("NONE" if route.public else "JWT"):
            yield f"{key} is open to {made['authorizationType']}"
        if made.get("authorizationScopes") != (None if route.public else list(route.scopes)):
            yield f"{key} asks for {made.get('authorizationScopes')}"
        limit = limits.get(key, {})
        given = (limit.get("throttlingRateLimit"), limit.get("throttlingBurstLimit"))
        if given != (route.throttle.rate_per_second, route.throttle.burst):
            yield f"{key} is throttled to {given}"


def callers_reach_callees_and_nobody_else_does(plan: Plan, declared: Catalogue) -> Iterator[str]:
    for spec in declared:
        spoken = plan.one(":NetworkPolicy", spec.name).inputs["spec"]
        callers = {_peer(peer) for rule in spoken["ingress"] for peer in rule.get("from", ()) if "podSelector" in peer}
        callees = {_peer(peer) for rule in spoken["egress"] for peer in rule.get("to", ()) if "podSelector" in peer}
        if callers - {"otel-collector"} != set(callers_of(spec.name, declared)):
            yield f"{spec.name} is reached by {sorted(callers)}"
        if callees - {"otel-collector"} != set(spec.calls):
            yield f"{spec.name} reaches {sorted(callees)}"


def a_service_listens_where_its_pods_do(plan: Plan, declared: Catalogue) -> Iterator[str]:
    """Network policies of EKS let nobody through where a Service and its pods differ in their port, or its name."""
    named = {
        (each.name, port["name"]): port["containerPort"]
        for each in plan.of_type(":Deployment")
        for port in _container(each)["ports"]
    }
    for each in plan.of_type("core/v1:Service"):
        for port in each.inputs["spec"]["ports"]:
            wanted = named.get((each.name, port["targetPort"]))
            if (port["name"], port["port"]) != (port["targetPort"], wanted):
                yield f"{short(each)} listens on {port['port']}, its pods on {wanted}"
    listening = {each.name: each.inputs["spec"]["ports"][0]["port"] for each in plan.of_type("core/v1:Service")}
    for spec in declared:
        variables = _variables(plan.one(":Deployment", spec.name))
        for callee in spec.calls:
            url = variables.get(f"{callee.upper().replace('-', '_')}_URL")
            if url != f"http://{callee}:{listening[callee]}":
                yield f"{spec.name} calls {callee} at {url}"


def a_pod_is_there_for_as_long_as_requests_come_to_it(plan: Plan, declared: Catalogue) -> Iterator[str]:
    """It waits for those who still send, then has its own time to finish, and only then is it killed."""
    balanced = {each.inputs["spec"]["serviceRef"]["name"] for each in plan.of_type(":TargetGroupBinding")}
    longest_request = max(each.inputs["timeoutMilliseconds"] for each in plan.of_type(":Integration")) / 1000
    for spec in declared:
        deployment = plan.one(":Deployment", spec.name)
        drain = _container(deployment).get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        shutdown = int(_variables(deployment)["SHUTDOWN_SECONDS"])
        grace = deployment.inputs["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        needed = 30 if spec.name in balanced else 10 if callers_of(spec.name, declared) else 0
        if drain != needed:
            yield f"{spec.name} waits {drain} s for who still sends, not {needed}"
        if grace < drain + shutdown + 5:  # services/chassis/README.md, "Stop"
            yield f"{spec.name} is killed after {grace} s, though it may take {drain} and {shutdown}"
        if spec.name in balanced:
            delay = plan.one(":TargetGroup", spec.name).inputs["deregistrationDelay"]
            if not longest_request <= delay < drain + shutdown:
                yield f"{spec.name} is cut off {delay} s after it left the load balancer"


def every_log_group_has_a_key_that_its_logs_may_use(plan: Plan, declared: Catalogue) -> Iterator[str]:
    """CloudWatch Logs refuses a group whose key does not name it, and a delivery to such a group is lost."""
    keys = {f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{each.name}-id": each for each in plan.of_type("kms/key:Key")}
    for each in plan.of_type(":LogGroup"):
        key = keys.get(each.inputs.get("kmsKeyId", ""))
        if key is None:
            yield f"{short(each)} has no key of ours"
            continue
        allowed = [
            pattern
            for statement in document(key.inputs["policy"])["Statement"]
            if statement["Principal"] == {"Service": f"logs.{REGION}.amazonaws.com"}
            for pattern in statement["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"]
        ]
        arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{each.inputs['name']}"
        if not any(fnmatchcase(arn, pattern) for pattern in allowed):
            yield f"{short(key)} is not for {each.inputs['name']}"
        if key.urn not in plan.needs(each):
            yield f"{short(each)} does not wait for its key"


def _variables(deployment: Planned) -> dict[str, str]:
    return {each["name"]: each["value"] for each in _container(deployment)["env"]}


def _container(deployment: Planned) -> dict[str, Any]:
    [container] = deployment.inputs["spec"]["template"]["spec"]["containers"]
    return container  # type: ignore[no-any-return]


def _peer(peer: dict[str, dict[str, dict[str, str]]]) -> str:
    return peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"]


def _arns(policy: Planned) -> list[str]:
    return [arn for statement in document(policy.inputs["policy"])["Statement"] for arn in statement["Resource"]]


def _that_run(plan: Plan) -> list[Planned]:
    return [each for kind in RUNS for each in plan.of_type(kind)]


def _same_workload(pod: Planned, policy: Planned) -> bool:
    """Whether the policy chooses the pod."""
    labels = pod.inputs["spec"]["template"]["metadata"]["labels"]
    selector = policy.inputs["spec"]["podSelector"]
    matches = selector.get("matchLabels", {}).items() <= labels.items()
    chosen = selector.get("matchExpressions", [])
    return bool(selector) and matches and all(labels.get(each["key"]) in each["values"] for each in chosen)


PROMISES: tuple[Promise, ...] = (
    what_is_in_the_cluster_outlives_nothing_it_needs,
    pods_wait_for_nodes_and_rules,
    pods_wait_for_their_identity,
    a_service_starts_after_its_migration_and_that_after_the_bootstrap,
    nothing_slow_waits_for_the_cluster,
    a_role_names_only_what_is_its_own,
    a_role_connects_as_its_own_user,
    a_role_is_for_one_service_account,
    every_topic_a_queue_takes_from_may_send_to_it,
    every_declared_event_arrives_and_no_other,
    every_declared_route_is_there_with_its_scopes_and_throttle,
    callers_reach_callees_and_nobody_else_does,
    a_service_listens_where_its_pods_do,
    a_pod_is_there_for_as_long_as_requests_come_to_it,
    every_log_group_has_a_key_that_its_logs_may_use,
)
