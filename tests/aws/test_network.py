"""The network, on mocks."""

from dataclasses import replace

import pytest

from infra.aws.network import Network, NetworkArgs
from plans.made_up import REGION, ZONES
from plans.planned import Plan, plan
from tests.aws.environments import BOUNDED, DEV

ARGS = NetworkArgs(
    environment=DEV,
    cidr="10.0.0.0/16",
    zones=ZONES[:2],
    nat_per_zone=False,
    flow_log_days=None,
    log_key_arn="arn:aws:kms:key",
)
PRODUCTION = replace(ARGS, zones=ZONES, nat_per_zone=True, flow_log_days=90)
A, B, C = ZONES


def network(args: NetworkArgs = ARGS) -> tuple[Plan, Network]:
    made: list[Network] = []
    planned = plan(lambda: made.append(Network("network", args)))
    return planned, made[0]


def slice_of_zone(zone: str) -> set[tuple[str, str]]:
    """What a zone adds to a network with one NAT gateway elsewhere."""
    kinds = ("public", "private", "database", "entrance")
    return {
        *(("aws:ec2/subnet:Subnet", f"network-{kind}-{zone}") for kind in kinds),
        *(("aws:ec2/routeTableAssociation:RouteTableAssociation", f"network-{kind}-{zone}") for kind in kinds),
        ("aws:ec2/routeTable:RouteTable", f"network-private-{zone}"),
        ("aws:ec2/route:Route", f"network-private-{zone}"),
    }


def nat(zone: str) -> set[tuple[str, str]]:
    return {("aws:ec2/eip:Eip", f"network-nat-{zone}"), ("aws:ec2/natGateway:NatGateway", f"network-nat-{zone}")}


@pytest.fixture(scope="module")
def cheap() -> Plan:
    return network()[0]


@pytest.fixture(scope="module")
def production() -> Plan:
    return network(PRODUCTION)[0]


def test_a_zone_more_adds_its_slice_and_changes_only_the_route_tables_of_the_s3_endpoint(cheap: Plan) -> None:
    wider = network(replace(ARGS, zones=ZONES))[0]

    assert wider.registered() - cheap.registered() == slice_of_zone(C)
    changed = [each.name for each in cheap.resources if wider.by_urn[each.urn] != each]
    assert changed == ["network-s3"]


def test_a_nat_gateway_per_zone_changes_only_the_routes_of_the_other_zones(cheap: Plan) -> None:
    dearer = network(replace(ARGS, nat_per_zone=True))[0]

    assert dearer.registered() - cheap.registered() == nat(B)
    changed = [(each.type, each.name) for each in cheap.resources if dearer.by_urn[each.urn] != each]
    assert changed == [("aws:ec2/route:Route", f"network-private-{B}")]


def test_databases_and_the_load_balancer_have_no_route_at_all_not_even_to_s3(production: Plan) -> None:
    routed = {each.inputs["routeTableId"] for each in production.of_type(":Route")}
    endpoint = production.named(":VpcEndpoint", "network-s3")

    assert "network-isolated-id" not in routed
    assert endpoint == {
        "vpcId": "network-vpc-id",
        "serviceName": f"com.amazonaws.{REGION}.s3",
        "vpcEndpointType": "Gateway",
        "routeTableIds": [f"network-private-{zone}-id" for zone in ZONES],
    }
    assert "routes" not in production.named(":RouteTable", "network-isolated")


def test_nat_gateways_stand_in_public_subnets_that_reach_the_internet_before_they_are_made(production: Plan) -> None:
    way_out = production.one(":Route", "network-public").urn
    for zone in ZONES:
        gateway = production.one(":NatGateway", f"network-nat-{zone}")
        assert gateway.inputs["subnetId"] == f"network-public-{zone}-id"
        assert way_out in production.needs(gateway)
        assert way_out in production.needs(production.one(":Eip", f"network-nat-{zone}"))


def test_egress_is_all_that_private_subnets_need_to_reach_the_internet() -> None:
    planned, made = network(PRODUCTION)
    named = {str(urn) for urn in (planned.one(f":{type(each).__name__}", each._name).urn for each in made.egress)}
    expected = {
        planned.one(":Route", "network-public").urn,
        *(planned.one(":NatGateway", f"network-nat-{zone}").urn for zone in ZONES),
        *(planned.one(":Route", f"network-private-{zone}").urn for zone in ZONES),
        *(planned.one(":RouteTableAssociation", f"network-private-{zone}").urn for zone in ZONES),
        *(planned.one(":RouteTableAssociation", f"network-public-{zone}").urn for zone in ZONES),
    }

    assert named == expected
    needed = expected.union(*(planned.needs(planned.by_urn[urn]) for urn in expected))
    assert planned.one(":InternetGateway").urn in needed


def test_the_blocks_of_the_network_are_known_before_it_exists() -> None:
    made = network()[1]

    assert made.cidr == "10.0.0.0/16"
    assert made.entrance_cidrs == ["10.0.216.0/23", "10.0.218.0/23"]
    assert made.database_cidrs == ["10.0.224.0/21", "10.0.232.0/21"]
    ids = (made.public_subnet_ids, made.private_subnet_ids, made.database_subnet_ids, made.entrance_subnet_ids)
    assert list(map(len, ids)) == [2, 2, 2, 2]
    assert len(made.nat_gateway_ids) == 1


def test_the_role_of_the_flow_log_stays_within_the_boundary_of_the_environment() -> None:
    bounded = network(replace(PRODUCTION, environment=BOUNDED))[0]
    assert bounded.named(":Role", "network-flow-log")["permissionsBoundary"] == "arn:boundary"


def test_a_network_that_cannot_be_divided_is_refused() -> None:
    with pytest.raises(ValueError, match="4 zones are invalid"):
        network(replace(ARGS, zones=[*ZONES, "eu-central-1d"]))
