"""What dev, staging and prod promise by their settings: a value that changes here was decided, not mistyped.

Everything else about them follows from these values; what they become is in the plans (tests/aws).
"""

from ipaddress import ip_network
from typing import Any

import pytest
import yaml

from plans.programs import ROOT, aws_settings
from stacks.aws_settings import AwsSettings

DEVELOPMENT: dict[str, Any] = {
    "purpose": "development",
    "protected": False,
    "idle_replicas": 1,
    "network": {"zones": 2, "nat_per_zone": False, "flow_log_days": None},
    "cluster": {"spot": True, "burstable": True, "log_days": 7},
    "databases": {"shared": True, "instance_class": "db.t4g.micro", "multi_zone": False, "backup_days": 1},
    "images": {"build": True, "promote_from": None, "digests": {}},
    "observability": {"log_days": 7, "container_logs": False, "dashboards": False},
}
PRODUCTION: dict[str, Any] = {
    "purpose": "production",
    "protected": True,
    "idle_replicas": None,
    "network": {"zones": 3, "nat_per_zone": True, "flow_log_days": 90},
    "cluster": {"spot": False, "burstable": False, "log_days": 90},
    "databases": {"shared": False, "instance_class": "db.t4g.medium", "multi_zone": True, "backup_days": 14},
    "images": {"build": False, "digests": {}},
    "observability": {"log_days": 90, "container_logs": True, "dashboards": True},
}
STAGING: dict[str, Any] = PRODUCTION | {
    # As safe as production, and as small as it can be.
    "network": {"zones": 2, "nat_per_zone": False, "flow_log_days": 90},
    "cluster": {"spot": True, "burstable": False, "log_days": 90},
    "databases": {"shared": False, "instance_class": "db.t4g.micro", "multi_zone": True, "backup_days": 14},
}
EVERYWHERE: dict[str, Any] = {
    "bounded": True,
    "to_be_destroyed": False,
    "region": "eu-central-1",
    "domain": None,
    "callback_urls": ("http://127.0.0.1:8250/callback",),
    "cluster": {"version": "1.35", "architectures": ("arm64", "amd64"), "vcpu_limit": 40, "admins": (), "viewers": ()},
    "databases": {"storage_gib": 20},
    "images": {"kept": 100, "pull_accounts": ()},
    "observability": {"traces": True, "email": None},
    "target": {"endpoints": {}, "authority": None},
    "quotas": {},
}
ENVIRONMENTS = {"dev": DEVELOPMENT, "staging": STAGING, "prod": PRODUCTION}


def configured(stack: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]
    return document


def holds(settings: AwsSettings, promised: dict[str, Any]) -> None:
    values = settings.model_dump()
    for section, promise in promised.items():
        if isinstance(promise, dict) and promise:
            assert values[section].items() >= promise.items(), section
        else:
            assert values[section] == promise, section


@pytest.mark.parametrize("stack", ENVIRONMENTS)
def test_an_environment_is_what_it_promises(stack: str) -> None:
    holds(aws_settings(stack), ENVIRONMENTS[stack])
    holds(aws_settings(stack), EVERYWHERE)


def test_the_account_and_who_reaches_the_cluster_are_said_by_a_person_and_not_by_the_repository() -> None:
    for stack in ENVIRONMENTS:
        assert "shop:account" not in configured(stack)
        assert "reached_from" not in configured(stack).get("shop:cluster", {})


def test_no_setting_of_the_repository_is_a_secret_or_of_another_project() -> None:
    for stack in ENVIRONMENTS:
        assert {key.partition(":")[0] for key in configured(stack)} == {"shop"}
        assert "secure:" not in (ROOT / f"Pulumi.{stack}.yaml").read_text()


def test_what_was_tested_in_dev_is_what_runs_in_staging_and_in_prod() -> None:
    sources = {stack: aws_settings(stack).images.promote_from for stack in ENVIRONMENTS}
    region = aws_settings("dev").region

    assert sources["staging"] == sources["prod"] == f"123456789012.dkr.ecr.{region}.amazonaws.com/shop-dev"


def test_the_networks_of_the_environments_are_private_and_could_be_joined() -> None:
    blocks = [ip_network(aws_settings(stack).network.cidr) for stack in ENVIRONMENTS]

    assert all(block.is_private and block.prefixlen == 16 for block in blocks)
    assert not any(one.overlaps(other) for one in blocks for other in blocks if one is not other)


def test_the_stand_ins_for_aws_are_no_account_of_anybody() -> None:
    emulated = configured("emulated")

    assert emulated["shop:account"] == "000000000000"
    assert emulated["shop:purpose"] == "development"
    assert "shop:images" not in emulated  # the tests say which


def test_a_role_is_named_after_its_environment_as_the_role_that_deploys_may_make_them() -> None:
    naming = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]["pulumi:autonaming"]["value"]["providers"]
    deploys = (ROOT / "infra/environment.yaml").read_text()

    assert naming["aws"]["resources"]["aws:iam/role:Role"]["pattern"] == "${project}-${stack}-${name}-${hex(7)}"
    assert ":role/shop-${Environment}-*" in deploys
