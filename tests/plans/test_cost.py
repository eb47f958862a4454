"""What a stack costs: exact arithmetic on what is planned, and nothing counted as zero because nobody knows."""

from decimal import Decimal
from typing import Any

import pytest
from rich.console import Console

from plans import cost
from plans.node_count import cpu_millis, memory_mib, pods
from plans.planned import Plan, Planned
from plans.pricing import USES, Bill, Line, PriceList, bill, price_list
from tests.aws.planning import environment

REGION = "eu-central-1"
PROVIDER = ("pulumi:providers:aws", {"region": REGION})
FRANKFURT = {
    "eks cluster, hour": "0.10",
    "m7g.large spot, hour": "0.04",
    "m7g.large Auto Mode, hour": "0.01",
    "m7i.large on demand, hour": "0.12",
    "m7i.large Auto Mode, hour": "0.015",
    "gp3 volume, GB month": "0.1",
    "NAT gateway, hour": "0.05",
    "NAT gateway, GB": "0.05",
    "db.t4g.micro, hour": "0.02",
    "db gp3 storage, GB month": "0.14",
    "secret, month": "0.40",
    "alarm, metric month": "0.10",
    "SQS, million requests": "0.40",
    "interface endpoint, hour": "0.01",
    "interface endpoint, GB": "0.02",
}


@pytest.fixture
def prices() -> PriceList:
    """Round prices, and the assumptions of the real file where a test does not say otherwise."""
    real = price_list()
    known = {name: {REGION: price, "source": "ours", "estimated": []} for name, price in FRANKFURT.items()}
    round_figures = {"hours": Decimal(1000), "nat_gb": Decimal(10), "queue_requests_millions": Decimal("0.5")}
    return real.model_copy(
        update={"prices": known, "assumptions": real.assumptions.model_copy(update=round_figures)},
    )


def planned(*resources: tuple[str, dict[str, Any]]) -> Plan:
    return Plan(
        [Planned(f"urn::{number}", kind, f"r{number}", inputs) for number, (kind, inputs) in enumerate(resources)]
    )


def priced(prices: PriceList, *resources: tuple[str, dict[str, Any]]) -> Bill:
    return bill(planned(PROVIDER, *resources), prices)


def amounts(found: Bill) -> dict[str, str]:
    return {line.price_name: str(line.monthly.normalize()) for line in found.lines}


def deployment(name: str, cpu: str, memory: str, replicas: int = 1) -> tuple[str, dict[str, Any]]:
    container = {"name": name, "resources": {"requests": {"cpu": cpu, "memory": memory}}}
    spec = {"replicas": replicas, "template": {"spec": {"containers": [container]}}}
    return "kubernetes:apps/v1:Deployment", {"metadata": {"name": name, "namespace": "shop"}, "spec": spec}


def autoscaler(name: str, least: int) -> tuple[str, dict[str, Any]]:
    spec = {"minReplicas": least, "scaleTargetRef": {"kind": "Deployment", "name": name}}
    return "kubernetes:autoscaling/v2:HorizontalPodAutoscaler", {
        "metadata": {"name": name, "namespace": "shop"},
        "spec": spec,
    }


def node_pool(*values: str) -> tuple[str, dict[str, Any]]:
    requirements = [
        {"key": "karpenter.sh/capacity-type", "operator": "In", "values": [v for v in values if v != "arm64"]},
        {"key": "kubernetes.io/arch", "operator": "In", "values": [v for v in values if v == "arm64"] or ["amd64"]},
    ]
    return "kubernetes:karpenter.sh/v1:NodePool", {"spec": {"template": {"spec": {"requirements": requirements}}}}


# ---- arithmetic


def test_a_total_is_the_exact_sum_of_price_times_quantity(prices: PriceList) -> None:
    nat: tuple[str, dict[str, Any]] = ("aws:ec2/natGateway:NatGateway", {})
    found = priced(prices, ("aws:eks/cluster:Cluster", {}), nat, nat)

    assert amounts(found) == {"eks cluster, hour": "1E+2", "NAT gateway, hour": "1E+2", "NAT gateway, GB": "1"}
    assert found.total == Decimal(201)
    assert [line.resources for line in found.lines if line.price_name == "NAT gateway, hour"] == [2]


def test_a_second_zone_doubles_a_database_and_its_storage_but_not_its_secret(prices: PriceList) -> None:
    inputs = {
        "instanceClass": "db.t4g.micro",
        "allocatedStorage": 20,
        "storageType": "gp3",
        "manageMasterUserPassword": True,
    }

    one = priced(prices, ("aws:rds/instance:Instance", inputs))
    two = priced(prices, ("aws:rds/instance:Instance", {**inputs, "multiAz": True}))

    assert amounts(one) == {"db.t4g.micro, hour": "2E+1", "db gp3 storage, GB month": "2.8", "secret, month": "0.4"}
    assert two.total == 2 * Decimal("22.8") + Decimal("0.4")


def test_a_dead_letter_queue_is_read_by_nobody(prices: PriceList) -> None:
    queue = ("aws:sqs/queue:Queue", {"redrivePolicy": "{}"})
    found = priced(prices, queue, ("aws:sqs/queue:Queue", {}))

    assert amounts(found) == {"SQS, million requests": "0.2"}


def test_an_alarm_costs_by_the_metrics_that_it_reads(prices: PriceList) -> None:
    queries = [{"id": "a", "metric": {}}, {"id": "b", "metric": {}}, {"id": "sum", "expression": "a+b"}]
    alarm = "aws:cloudwatch/metricAlarm:MetricAlarm"

    assert priced(prices, (alarm, {"metricQueries": queries}), (alarm, {"metricName": "x"})).total == Decimal("0.30")


def test_an_interface_endpoint_costs_in_every_zone_and_a_gateway_endpoint_nothing(prices: PriceList) -> None:
    endpoint = "aws:ec2/vpcEndpoint:VpcEndpoint"
    given = prices.assumptions.interface_endpoint_gb

    found = priced(prices, (endpoint, {}), (endpoint, {"vpcEndpointType": "Interface", "subnetIds": ["a", "b"]}))

    assert found.total == 2 * 1000 * Decimal("0.01") + given * Decimal("0.02")
    assert found.unpriced == {}


# ---- nodes


def test_nodes_hold_the_requests_of_the_least_replicas(prices: PriceList) -> None:
    program = [deployment("a", "500m", "1Gi", replicas=9), autoscaler("a", 4), deployment("b", "1", "512Mi")]

    running = pods(planned(*program, node_pool("spot", "arm64")))
    found = priced(prices, *program, node_pool("spot", "arm64"))

    assert (running.count, running.cpu_millis, running.memory_mib) == (5, 3000, 4608)
    assert found.nodes == 2  # 3,200 thousandths with the system's pods, 1,900 to a node
    assert amounts(found) == {
        "m7g.large spot, hour": "8E+1",
        "m7g.large Auto Mode, hour": "2E+1",
        "gp3 volume, GB month": "16",
    }


def test_memory_counts_as_well_as_processors(prices: PriceList) -> None:
    assert priced(prices, deployment("a", "10m", "6Gi"), deployment("b", "10m", "6Gi")).nodes == 2


@pytest.mark.parametrize(("replicas", "nodes"), [(1, 1), (2, 2), (9, 3)])
def test_replicas_that_should_be_apart_get_a_node_each_up_to_three(
    prices: PriceList, replicas: int, nodes: int
) -> None:
    kind, inputs = deployment("a", "10m", "64Mi", replicas)
    constraints = [{"topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway"}]
    inputs["spec"]["template"]["spec"]["topologySpreadConstraints"] = constraints

    assert priced(prices, (kind, inputs)).nodes == nodes
    assert priced(prices, deployment("a", "10m", "64Mi", replicas)).nodes == 1


def test_without_spot_and_graviton_nodes_cost_more(prices: PriceList) -> None:
    found = priced(prices, deployment("a", "100m", "256Mi"), node_pool("on-demand"))

    assert set(amounts(found)) == {"m7i.large on demand, hour", "m7i.large Auto Mode, hour", "gp3 volume, GB month"}


def test_without_pods_there_is_no_node(prices: PriceList) -> None:
    assert priced(prices, ("aws:eks/cluster:Cluster", {})).nodes == 0


def test_a_node_without_a_price_is_shown(prices: PriceList) -> None:
    found = priced(prices, deployment("a", "100m", "256Mi"), node_pool("spot"))

    assert found.unpriced == {"nodes": (1, f"the list has no price of `m7i.large spot, hour` in {REGION}")}


def test_a_container_that_requests_nothing_is_refused() -> None:
    kind, inputs = deployment("a", "100m", "256Mi")
    inputs["spec"]["template"]["spec"]["containers"][0]["resources"] = {}

    with pytest.raises(ValueError, match="container a of r0 does not request cpu and memory"):
        pods(planned((kind, inputs)))


@pytest.mark.parametrize(("quantity", "millis"), [("100m", 100), ("1", 1000), ("0.5", 500), (2, 2000), (0.25, 250)])
def test_processors_are_read_as_kubernetes_writes_them(quantity: str | float, millis: int) -> None:
    assert cpu_millis(quantity) == millis


@pytest.mark.parametrize(
    ("quantity", "mib"), [("256Mi", 256), ("1Gi", 1024), ("1048576", 1), ("1M", 1), ("1025Ki", 2), ("1.5Gi", 1536)]
)
def test_memory_is_read_as_kubernetes_writes_it_and_rounded_up(quantity: str, mib: int) -> None:
    assert memory_mib(quantity) == mib


@pytest.mark.parametrize("quantity", ["", "Mi", "-1", "1Xi", "100m m"])
def test_what_is_no_quantity_is_refused(quantity: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        memory_mib(quantity)


# ---- what is not known


@pytest.mark.parametrize(
    ("kind", "inputs", "reason"),
    [
        ("aws:ec2/instance:Instance", {}, "the price file knows nothing of this type"),
        ("aws:eks/addon:Addon", {"addonName": "amazon-cloudwatch-observability"}, "what the add-on "),
        ("aws:lb/loadBalancer:LoadBalancer", {"loadBalancerType": "network"}, "only application load balancers"),
        ("aws:dynamodb/table:Table", {"billingMode": "PROVISIONED"}, "only tables on demand"),
        ("aws:kms/key:Key", {}, "the list has no price of `KMS key, month` in eu-central-1"),
        ("aws:rds/instance:Instance", {"instanceClass": "db.t4g.micro"}, "only storage of type gp3"),
        ("kubernetes:core/v1:Service", {"spec": {"type": "LoadBalancer"}}, "a Service that makes a load balancer"),
        ("kubernetes:core/v1:PersistentVolumeClaim", {}, "the price file knows nothing of this type"),
    ],
)
def test_what_has_no_price_is_shown_and_not_counted_as_nothing(
    prices: PriceList, kind: str, inputs: dict[str, Any], reason: str
) -> None:
    found = priced(prices, (kind, inputs), (kind, inputs))

    assert list(found.unpriced) == [kind]
    number, because = found.unpriced[kind]
    assert number == 2
    assert because.startswith(reason)
    assert found.lines == []


def test_every_resource_is_priced_free_with_a_reason_or_shown(prices: PriceList) -> None:
    kinds = ["aws:eks/cluster:Cluster", "aws:ec2/vpc:Vpc", "aws:ec2/instance:Instance", "shop:aws:Network"]
    found = priced(prices, *((kind, {}) for kind in kinds))

    assert [line.price_name for line in found.lines] == ["eks cluster, hour"]
    assert set(found.unpriced) == {"aws:ec2/instance:Instance"}
    assert {kind: number for kind, (number, _) in found.free.items()} == {
        "aws:ec2/vpc:Vpc": 1,
        "shop:aws:Network": 1,
        "pulumi:providers:aws": 1,
    }
    assert all(reason for _, reason in found.free.values())


def test_the_region_is_the_providers(prices: PriceList) -> None:
    nowhere = planned(("aws:eks/cluster:Cluster", {}))
    with pytest.raises(LookupError, match="name 0 regions"):
        bill(nowhere, prices)
    assert bill(nowhere, prices, "eu-central-1").total == Decimal(100)
    assert list(bill(nowhere, prices, "us-east-1").unpriced) == ["aws:eks/cluster:Cluster"]


# ---- the price file


def test_every_price_has_a_source_and_both_regions() -> None:
    real = price_list()

    for name, entry in real.prices.items():
        assert entry["source"] in real.sources, name
        assert real.price(name, "us-east-1") > 0
        assert real.price(name, "eu-central-1") > 0
        if entry["source"] == "ours":
            assert entry["estimated"] == ["us-east-1", "eu-central-1"], name


def test_no_type_is_both_free_and_priced() -> None:
    assert {kind for kind in USES if price_list().free_because(kind)} == set()


# ---- what is printed


def test_the_table_shows_estimates_assumptions_sources_and_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [
        Line("eks cluster, hour", Decimal("0.10"), Decimal(730), 1, estimated=False),
        Line("KMS key, month", Decimal("1.00"), Decimal(3), 3, estimated=True),
    ]
    found = Bill(REGION, lines, {"aws:x/y:Y": (2, "because")}, {"aws:ec2/vpc:Vpc": (1, "free")}, 2)

    cost.show("dev", found, price_list(), Console(width=200, highlight=False))

    said = capsys.readouterr().out
    assert "73.00" in said
    assert "~1.00" in said
    assert "at least together, 2 nodes among them" in said
    assert "76.00" in said
    assert "3.00 of the total are" in said
    assert "NOT COUNTED: 2 x aws:x/y:Y: because." in said
    assert "hours 730" in said
    assert "https://cloudburn.io/blog/amazon-eks-pricing" in said


def test_the_whole_shop_in_a_small_environment_costs_less_than_180_dollars_a_month() -> None:
    """At the prices of us-east-1, with all relational databases on one shared instance of PostgreSQL."""
    found = bill(environment("dev"), price_list(), "us-east-1")

    assert found.unpriced == {}
    assert found.total < 180
