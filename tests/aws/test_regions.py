"""Regions and zones that have everything an environment is made of."""

from collections.abc import Mapping
from typing import Any

import boto3
import pytest

from infra.aws import rds_roots, regions
from plans.planned import plan
from plans.programs import aws_settings
from stacks import providers
from stacks.settings import SettingsError

REFUSED_BY_EKS = {"use1-az3", "usw1-az2", "cac1-az3"}
"""EKS user guide, "View Amazon EKS networking requirements for VPC and subnets"."""
WITHOUT_VPC_LINKS = {"ape1-az1", "apne1-az3", "apne2-az4", "cac1-az4", "euw3-az2"}
"""API Gateway developer guide, "Set up VPC links V2 in API Gateway"; the three of EKS have none, either."""
PARTS = ("apigatewayv2", "cognito-idp", "dynamodb", "ecr", "eks", "rds", "sns", "sqs")


def chosen(stack: str, region: str, *zone_ids: str) -> list[str]:
    """The zones of an environment in an account whose zones a, b, c, ... of the region have these ids."""

    def call(token: str, arguments: dict[str, Any]) -> Mapping[str, Any]:
        assert (token, arguments["region"]) == ("aws:index/getAvailabilityZones:getAvailabilityZones", region)
        names = [f"{region}{letter}" for letter, _ in zip("abcdef", zone_ids, strict=False)]
        return {"id": region, "names": names, "zoneIds": list(zone_ids)}

    def run() -> None:
        settings = aws_settings(stack, {"region": region})
        found.extend(providers.zones(stack, settings, providers.aws_provider(stack, settings)))

    found: list[str] = []
    plan(run, stack, call=call)
    return found


def test_every_region_is_of_the_one_partition_whose_arns_are_written_down_and_has_all_parts() -> None:
    session = boto3.Session()

    assert {session.get_partition_for_region(region) for region in regions.supported()} == {"aws"}
    for part in PARTS:
        assert set(regions.supported()) <= set(session.get_available_regions(part)), part
    for region in regions.supported():
        assert rds_roots.roots(region)
        assert len(regions.zone_ids(region)) >= 2


def test_no_zone_is_one_that_eks_or_vpc_links_refuse() -> None:
    usable = frozenset().union(*(regions.zone_ids(region) for region in regions.supported()))

    assert usable.isdisjoint(REFUSED_BY_EKS | WITHOUT_VPC_LINKS)
    assert {f"use1-az{number}" for number in (1, 2, 4, 5, 6)} | {"cac1-az1", "cac1-az2", "euw3-az1"} <= usable


def test_every_other_zone_is_used() -> None:
    """A region numbers its zones from 1 on."""
    for region in regions.supported():
        (prefix,) = {zone.rpartition("-az")[0] for zone in regions.zone_ids(region)}
        last = max(int(zone.rpartition("-az")[2]) for zone in regions.zone_ids(region))
        every = {f"{prefix}-az{number}" for number in range(1, last + 1)}

        assert regions.zone_ids(region) == every - REFUSED_BY_EKS - WITHOUT_VPC_LINKS


def test_a_zone_is_chosen_by_its_id_whatever_the_account_calls_it() -> None:
    zones = chosen("dev", "us-east-1", "use1-az3", "use1-az6", "use1-az1", "use1-az2")

    assert zones == ["us-east-1b", "us-east-1c"]


def test_a_local_zone_is_not_chosen() -> None:
    assert chosen("dev", "us-west-2", "usw2-lax1-az1", "usw2-az4", "usw2-az3") == ["us-west-2b", "us-west-2c"]


def test_three_zones_are_refused_where_only_two_will_do() -> None:
    with pytest.raises(SettingsError, match=r"`3` is more than eu-west-3 has for this account: eu-west-3a, eu-west-3c"):
        chosen("prod", "eu-west-3", "euw3-az1", "euw3-az2", "euw3-az3")
