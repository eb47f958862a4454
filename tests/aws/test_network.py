"""The network, on mocks."""

import json
from dataclasses import replace

import pytest

from infra.aws.network import Network, NetworkArgs
from plans.made_up import ACCOUNT, REGION, ZONES
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


COMMON = {
    ("shop:aws:Network", "network"),
    ("aws:ec2/vpc:Vpc", "network-vpc"),
    ("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", "network-default"),
    ("aws:ec2/internetGateway:InternetGateway", "network-internet"),
    ("aws:ec2/routeTable:RouteTable", "network-public"),
    ("aws:ec2/route:Route", "network-public"),
    ("aws:ec2/routeTable:RouteTable", "network-isolated"),
    ("aws:ec2/vpcEndpoint:VpcEndpoint", "network-s3"),
}
FLOW_LOG = {
    ("aws:cloudwatch/logGroup:LogGroup", "network-flow-log"),
    ("aws:iam/role:Role", "network-flow-log"),
    ("aws:iam/rolePolicy:RolePolicy", "network-flow-log"),
    ("aws:ec2/flowLog:FlowLog", "network-flow-log"),
}


@pytest.fixture(scope="module")
def cheap() -> Plan:
    return network()[0]


@pytest.fixture(scope="module")
def production() -> Plan:
    return network(PRODUCTION)[0]


def test_two_zones_with_one_nat_gateway_are_exactly_these_resources(cheap: Plan) -> None:
    assert cheap.registered() == COMMON | slice_of_zone(A) | slice_of_zone(B) | nat(A)


def test_production_has_a_nat_gateway_per_zone_and_a_flow_log(production: Plan) -> None:
    zones = slice_of_zone(A) | slice_of_zone(B) | slice_of_zone(C)
    assert production.registered() == COMMON | FLOW_LOG | zones | nat(A) | nat(B) | nat(C)


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


def test_the_vpc_answers_dns_and_its_default_security_group_lets_nothing_through(cheap: Plan) -> None:
    assert cheap.named(":Vpc", "network-vpc") == {
        "cidrBlock": "10.0.0.0/16",
        "enableDnsSupport": True,
        "enableDnsHostnames": True,
    }
    group = cheap.named(":DefaultSecurityGroup", "network-default")
    assert group == {"vpcId": "network-vpc-id", "ingress": [], "egress": []}


def test_subnets_give_no_public_addresses_and_are_found_by_no_load_balancer_of_the_cluster(cheap: Plan) -> None:
    shown = {
        each.name: (each.inputs["cidrBlock"], each.inputs["availabilityZone"], each.inputs.get("tags"))
        for each in cheap.of_type(":Subnet")
    }

    assert shown == {
        f"network-public-{A}": ("10.0.192.0/21", A, None),
        f"network-public-{B}": ("10.0.200.0/21", B, None),
        f"network-private-{A}": ("10.0.0.0/18", A, None),
        f"network-private-{B}": ("10.0.64.0/18", B, None),
        f"network-database-{A}": ("10.0.224.0/21", A, None),
        f"network-database-{B}": ("10.0.232.0/21", B, None),
        f"network-entrance-{A}": ("10.0.216.0/23", A, None),
        f"network-entrance-{B}": ("10.0.218.0/23", B, None),
    }
    assert [each.inputs["mapPublicIpOnLaunch"] for each in cheap.of_type(":Subnet")] == [False] * 8


def test_public_subnets_go_out_by_the_internet_gateway_and_private_ones_by_nat(cheap: Plan, production: Plan) -> None:
    def routes(planned: Plan) -> dict[str, tuple[str, str]]:
        return {
            each.inputs["routeTableId"]: (
                each.inputs["destinationCidrBlock"],
                each.inputs.get("gatewayId") or each.inputs["natGatewayId"],
            )
            for each in planned.of_type(":Route")
        }

    assert routes(cheap) == {
        "network-public-id": ("0.0.0.0/0", "network-internet-id"),
        f"network-private-{A}-id": ("0.0.0.0/0", f"network-nat-{A}-id"),
        f"network-private-{B}-id": ("0.0.0.0/0", f"network-nat-{A}-id"),
    }
    assert routes(production) == {
        "network-public-id": ("0.0.0.0/0", "network-internet-id"),
        **{f"network-private-{zone}-id": ("0.0.0.0/0", f"network-nat-{zone}-id") for zone in ZONES},
    }


def test_every_subnet_uses_the_route_table_of_its_kind(production: Plan) -> None:
    associated = {
        each.inputs["subnetId"]: each.inputs["routeTableId"] for each in production.of_type(":RouteTableAssociation")
    }

    assert associated == {
        **{f"network-public-{zone}-id": "network-public-id" for zone in ZONES},
        **{f"network-private-{zone}-id": f"network-private-{zone}-id" for zone in ZONES},
        **{f"network-{kind}-{zone}-id": "network-isolated-id" for kind in ("database", "entrance") for zone in ZONES},
    }


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


def test_the_flow_log_keeps_every_connection_for_the_days_that_were_asked(production: Plan) -> None:
    group = production.named(":LogGroup", "network-flow-log")
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/shop-dev/flow-log"

    assert group == {"name": "/shop-dev/flow-log", "retentionInDays": 90, "kmsKeyId": "arn:aws:kms:key"}
    assert production.named(":FlowLog", "network-flow-log") == {
        "vpcId": "network-vpc-id",
        "trafficType": "ALL",
        "logDestination": arn,
        "iamRoleArn": f"arn:aws:iam::{ACCOUNT}:role/network-flow-log",
    }
    policy = production.one(":RolePolicy", "network-flow-log")
    assert policy.urn in production.one(":FlowLog").dependencies


def test_only_the_flow_log_service_of_this_account_writes_and_only_to_that_log_group(production: Plan) -> None:
    trust = json.loads(production.named(":Role", "network-flow-log")["assumeRolePolicy"])
    policy = json.loads(production.named(":RolePolicy", "network-flow-log")["policy"])
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/shop-dev/flow-log"

    assert trust == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "vpc-flow-logs.amazonaws.com"},
                "Action": "sts:AssumeRole",
                "Condition": {
                    "StringEquals": {"aws:SourceAccount": ACCOUNT},
                    "ArnLike": {"aws:SourceArn": f"arn:aws:ec2:{REGION}:{ACCOUNT}:vpc-flow-log/*"},
                },
            }
        ],
    }
    assert policy == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
                "Resource": [arn, f"{arn}:*"],
            },
            {"Effect": "Allow", "Action": ["logs:DescribeLogGroups"], "Resource": ["*"]},
        ],
    }


def test_the_role_of_the_flow_log_stays_within_the_boundary_of_the_environment() -> None:
    bounded = network(replace(PRODUCTION, environment=BOUNDED))[0]
    assert bounded.named(":Role", "network-flow-log")["permissionsBoundary"] == "arn:boundary"


def test_a_network_that_cannot_be_divided_is_refused() -> None:
    with pytest.raises(ValueError, match="4 zones are invalid"):
        network(replace(ARGS, zones=[*ZONES, "eu-central-1d"]))
