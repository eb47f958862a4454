"""What a planned resource uses in a month, and what that costs by the price list."""

import datetime
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict

from plans.node_count import Pods, pods
from plans.planned import Plan, Planned

PRICE_LIST = Path(__file__).with_name("prices.yaml")
PROVIDER = "pulumi:providers:aws"

Amount = Annotated[Decimal, BeforeValidator(str)]
"""YAML's 0.1 is a float; its text is exact."""
Use = tuple[str, Decimal]
"""Name of a price, and how much of it is used in a month."""


class UnpricedError(Exception):
    """A resource that costs something, nobody knows what."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Node(_Model):
    cpu_millis: int
    memory_mib: int


class Assumptions(_Model):
    """What a month is taken to be; each figure is explained in the price file."""

    hours: Amount
    nat_gb: Amount
    requests_millions: Amount
    load_balancer_units: Amount
    topic_messages_millions: Amount
    queue_requests_millions: Amount
    table_reads_millions: Amount
    table_writes_millions: Amount
    table_gb: Amount
    log_gb: Amount
    flow_log_gb: Amount
    repository_gb: Amount
    interface_endpoint_gb: Amount
    system_cpu_millis: int
    system_memory_mib: int
    nodes: Mapping[str, Node]
    """Kind of instance -> what pods may request of it."""
    node_volume_gb: Amount
    spread_nodes: int


class PriceList(_Model):
    date: datetime.date
    check: str
    """Where to look prices up."""
    sources: Mapping[str, str]
    assumptions: Assumptions
    prices: Mapping[str, Mapping[str, str | list[str]]]
    """Name -> region -> dollars; `source`; `estimated` names regions."""
    free: Mapping[str, str]

    def price(self, name: str, region: str) -> Decimal:
        """Raises UnpricedError when the list does not have it."""
        found = self.prices.get(name, {}).get(region)
        if not isinstance(found, str):
            raise UnpricedError(f"the list has no price of `{name}` in {region}")
        return Decimal(found)

    def is_estimate(self, name: str, region: str) -> bool:
        return region in self.prices[name].get("estimated", [])

    def free_because(self, kind: str) -> str | None:
        """Why resources of this type cost nothing; None when they may."""
        prefixes = (reason for key, reason in self.free.items() if key.endswith(":") and kind.startswith(key))
        return self.free.get(kind) or next(prefixes, None)


def price_list() -> PriceList:
    return PriceList.model_validate(yaml.safe_load(PRICE_LIST.read_text(encoding="utf-8")))


@dataclass(frozen=True)
class Line:
    """One price, over all resources that it applies to."""

    price_name: str
    price: Decimal
    quantity: Decimal
    resources: int
    estimated: bool

    @property
    def monthly(self) -> Decimal:
        return self.price * self.quantity


@dataclass(frozen=True)
class Bill:
    region: str
    lines: list[Line]
    """The dearest first."""
    unpriced: Mapping[str, tuple[int, str]]
    """Type -> number of resources, and why they have no price."""
    free: Mapping[str, tuple[int, str]]
    """Type -> number of resources, and why they cost nothing."""
    nodes: int

    @property
    def total(self) -> Decimal:
        """Dollars a month; more, when something is unpriced."""
        return sum((line.monthly for line in self.lines), Decimal(0))


def bill(plan: Plan, prices: PriceList, region: str | None = None) -> Bill:
    """Every resource of the plan is in a line, free with a reason, or unpriced.

    Raises:
        LookupError: when neither `region` nor the plan's AWS provider says where it stands.
    """
    where = region or _region(plan)
    used: dict[str, list[Decimal]] = {}
    unpriced: dict[str, tuple[int, str]] = {}
    free: dict[str, tuple[int, str]] = {}

    def count(table: dict[str, tuple[int, str]], kind: str, reason: str) -> None:
        table[kind] = (table.get(kind, (0, ""))[0] + 1, reason)

    def add(uses: Iterator[Use]) -> None:
        found = list(uses)
        for name, _ in found:
            prices.price(name, where)
        for name, quantity in found:
            used.setdefault(name, []).append(quantity)

    for each in plan.resources:
        reason = prices.free_because(each.type)
        try:
            if reason is None:
                add(_uses(each, prices.assumptions))
            else:
                count(free, each.type, reason)
        except UnpricedError as error:
            count(unpriced, each.type, str(error))
    running = pods(plan)
    nodes = _node_count(running, prices.assumptions)
    try:
        for _ in range(nodes):
            add(_node(running, prices.assumptions))
    except UnpricedError as error:
        unpriced["nodes"] = (nodes, str(error))
    lines = [
        Line(name, prices.price(name, where), sum(each, Decimal(0)), len(each), prices.is_estimate(name, where))
        for name, each in used.items()
    ]
    lines.sort(key=lambda line: (-line.monthly, line.price_name))
    return Bill(where, lines, dict(sorted(unpriced.items())), dict(sorted(free.items())), nodes)


def _region(plan: Plan) -> str:
    regions = {each.inputs["region"] for each in plan.resources if each.type == PROVIDER and "region" in each.inputs}
    if len(regions) != 1:
        raise LookupError(f"the plan's AWS providers name {len(regions)} regions: say which one")
    return str(regions.pop())


def _node_count(running: Pods, given: Assumptions) -> int:
    """Nodes that hold the requests of all pods, and keep replicas apart; no more for fragments and rolling updates."""
    if running.count == 0:
        return 0
    cpu, memory = running.cpu_millis + given.system_cpu_millis, running.memory_mib + given.system_memory_mib
    apart, node = min(running.spread, given.spread_nodes), given.nodes[_machine(running)]
    return max(apart, -(-cpu // node.cpu_millis), -(-memory // node.memory_mib))


def _machine(running: Pods) -> str:
    """The kind of node that Karpenter would take: a small one of the cheapest that are allowed."""
    if running.arm64:
        return "t4g.medium" if running.burstable else "m7g.large"
    return "m7i.large"


def _node(running: Pods, given: Assumptions) -> Iterator[Use]:
    machine = _machine(running)
    yield f"{machine} {'spot' if running.spot else 'on demand'}, hour", given.hours
    yield f"{machine} Auto Mode, hour", given.hours
    yield "gp3 volume, GB month", given.node_volume_gb


def _uses(resource: Planned, given: Assumptions) -> Iterator[Use]:
    uses = USES.get(resource.type)
    if uses is None:
        raise UnpricedError("the price file knows nothing of this type")
    return uses(resource, given)


def _instance(resource: Planned, given: Assumptions) -> Iterator[Use]:
    zones = 2 if resource.inputs.get("multiAz") else 1
    yield f"{resource.inputs.get('instanceClass')}, hour", given.hours * zones
    if resource.inputs.get("storageType") != "gp3":
        raise UnpricedError("only storage of type gp3 has a price")
    yield "db gp3 storage, GB month", Decimal(resource.inputs["allocatedStorage"]) * zones
    if resource.inputs.get("manageMasterUserPassword"):
        yield "secret, month", Decimal(1)


def _nat_gateway(_: Planned, given: Assumptions) -> Iterator[Use]:
    yield "NAT gateway, hour", given.hours
    yield "NAT gateway, GB", given.nat_gb


def _load_balancer(resource: Planned, given: Assumptions) -> Iterator[Use]:
    if resource.inputs.get("loadBalancerType", "application") != "application":
        raise UnpricedError("only application load balancers have a price")
    yield "load balancer, hour", given.hours
    yield "load balancer unit, hour", given.hours * given.load_balancer_units


def _queue(resource: Planned, given: Assumptions) -> Iterator[Use]:
    if resource.inputs.get("redrivePolicy"):  # a queue without one is a dead-letter queue, which nobody reads
        yield "SQS, million requests", given.queue_requests_millions


def _table(resource: Planned, given: Assumptions) -> Iterator[Use]:
    if resource.inputs.get("billingMode") != "PAY_PER_REQUEST":
        raise UnpricedError("only tables on demand have a price")
    yield "DynamoDB, million reads", given.table_reads_millions
    yield "DynamoDB, million writes", given.table_writes_millions
    yield "DynamoDB, GB month", given.table_gb


def _vpc_endpoint(resource: Planned, given: Assumptions) -> Iterator[Use]:
    if resource.inputs.get("vpcEndpointType", "Gateway") == "Gateway":
        return
    yield "interface endpoint, hour", given.hours * len(resource.inputs.get("subnetIds") or [None])
    yield "interface endpoint, GB", given.interface_endpoint_gb


def _addon(resource: Planned, _: Assumptions) -> Iterator[Use]:
    if resource.inputs.get("addonName") != "metrics-server":
        raise UnpricedError(f"what the add-on {resource.inputs.get('addonName')} sends depends on use")
    yield from ()


def _service(resource: Planned, _: Assumptions) -> Iterator[Use]:
    if (resource.inputs.get("spec") or {}).get("type", "ClusterIP") != "ClusterIP":
        raise UnpricedError("a Service that makes a load balancer")
    yield from ()


def _alarm(resource: Planned, _: Assumptions) -> Iterator[Use]:
    metrics = [query for query in resource.inputs.get("metricQueries") or [] if "metric" in query]
    yield "alarm, metric month", Decimal(len(metrics) or 1)


def _topic(_: Planned, given: Assumptions) -> Iterator[Use]:
    yield "SNS, million messages", given.topic_messages_millions


def _of(price_name: str, quantity: Callable[[Assumptions], Decimal]) -> Callable[[Planned, Assumptions], Iterator[Use]]:
    def uses(_: Planned, given: Assumptions) -> Iterator[Use]:
        yield price_name, quantity(given)

    return uses


USES: Mapping[str, Callable[[Planned, Assumptions], Iterator[Use]]] = {
    "aws:apigatewayv2/api:Api": _of("HTTP API, million requests", lambda given: given.requests_millions),
    "aws:cloudwatch/dashboard:Dashboard": _of("dashboard, month", lambda _: Decimal(1)),
    "aws:cloudwatch/logGroup:LogGroup": _of("logs, GB", lambda given: given.log_gb),
    "aws:cloudwatch/metricAlarm:MetricAlarm": _alarm,
    "aws:dynamodb/table:Table": _table,
    "aws:ec2/eip:Eip": _of("public IPv4 address, hour", lambda given: given.hours),
    "aws:ec2/flowLog:FlowLog": _of("logs, GB", lambda given: given.flow_log_gb),
    "aws:ec2/natGateway:NatGateway": _nat_gateway,
    "aws:ec2/vpcEndpoint:VpcEndpoint": _vpc_endpoint,
    "aws:ecr/repository:Repository": _of("ECR, GB month", lambda given: given.repository_gb),
    "aws:eks/addon:Addon": _addon,
    "aws:eks/cluster:Cluster": _of("eks cluster, hour", lambda given: given.hours),
    "aws:kms/key:Key": _of("KMS key, month", lambda _: Decimal(1)),
    "aws:lb/loadBalancer:LoadBalancer": _load_balancer,
    "aws:rds/instance:Instance": _instance,
    "aws:route53/zone:Zone": _of("hosted zone, month", lambda _: Decimal(1)),
    "aws:secretsmanager/secret:Secret": _of("secret, month", lambda _: Decimal(1)),
    "aws:sns/topic:Topic": _topic,
    "aws:sqs/queue:Queue": _queue,
    "kubernetes:core/v1:Service": _service,
}
