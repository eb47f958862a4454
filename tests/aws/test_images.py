"""Where the images of an environment come from."""

import json
from pathlib import Path

import pytest

from infra import build_context
from plans.planned import Plan, plan
from plans.programs import ROOT, program
from stacks.settings import SettingsError
from tests.aws.planning import declared, environment, given_for, only

NAMES = tuple(declared().services)


@pytest.fixture(scope="module")
def built() -> Plan:
    """`dev` as its file has it."""
    return plan(program("dev"), "dev")


@pytest.fixture(scope="module")
def promoted() -> Plan:
    """`prod` as its file has it."""
    return plan(program("prod"), "prod")


def image_of(planned: Plan, service: str) -> str:
    [container] = planned.named(":Deployment", service)["spec"]["template"]["spec"]["containers"]
    return str(container["image"])


def test_dev_builds_each_image_from_this_checkout_and_runs_it_by_its_digest(built: Plan) -> None:
    images = {each.name: each.inputs for each in built.of_type("docker-build:index:Image")}

    assert set(images) == {*NAMES, "database-bootstrap"}
    for name in NAMES:
        version = build_context.version(ROOT, ROOT / "services" / name / "Dockerfile")
        repository = f"123456789012.dkr.ecr.eu-central-1.amazonaws.com/shop-dev/{name}"
        assert images[name]["tags"] == [f"{repository}:{version}"]
        assert images[name]["push"] is True
        assert image_of(built, name).startswith(f"{repository}:{version}@sha256:")


def test_no_login_of_a_registry_is_in_the_state(built: Plan) -> None:
    for each in built.of_type("docker-build:index:Image"):
        assert "registries" not in each.inputs


def test_production_runs_what_dev_built_of_this_source_and_has_no_repositories(promoted: Plan) -> None:
    assert promoted.of_type("ecr/repository:Repository") == promoted.of_type("docker-build:index:Image") == []
    for name in NAMES:
        version = build_context.version(ROOT, ROOT / "services" / name / "Dockerfile")
        built = f"123456789012.dkr.ecr.eu-central-1.amazonaws.com/shop-dev/{name}"
        digest = f"{built}:{version}".encode().hex()[:64].ljust(64, "0")
        assert image_of(promoted, name) == f"{built}@sha256:{digest}"


def test_the_registry_is_read_with_the_login_of_docker_and_nothing_of_it_is_in_the_state(promoted: Plan) -> None:
    """The provider takes a login only for registries that it is told of (tests/integration/promotion)."""
    provider = promoted.named("pulumi:providers:docker", "docker")

    assert provider == {
        "disableDockerDaemonCheck": "true",
        "host": "unix:///var/run/docker.sock",
        "registryAuth": '[{"address": "123456789012.dkr.ecr.eu-central-1.amazonaws.com"}]',
    }


# Whoever adds one: mocks answer it, so prove it on a real provider first. Zones and log groups are looked up in every
# run of tests/integration/story, an image in tests/integration/promotion.
LOOK_UPS = {
    ("aws:cloudwatch/getLogGroups:getLogGroups", "pulumi:providers:aws::aws"),
    ("aws:index/getAvailabilityZones:getAvailabilityZones", "pulumi:providers:aws::aws"),
    ("docker:index/getRegistryImage:getRegistryImage", "pulumi:providers:docker::docker"),
}
"""Function -> the provider that is asked: never a default one, which knows neither region nor login."""


def test_these_are_all_look_ups_of_the_program(built: Plan, promoted: Plan) -> None:
    asked = {(each.token, each.provider.rpartition("$")[2]) for each in (*built.calls, *promoted.calls)}

    assert asked == LOOK_UPS


def test_digests_are_of_images_in_repositories_of_the_environments_own() -> None:
    planned = environment("dev")

    assert image_of(planned, "orders") == (
        f"123456789012.dkr.ecr.eu-central-1.amazonaws.com/shop-dev/orders@sha256:{'0' * 64}"
    )


def test_where_images_are_named_by_digest_each_of_them_is(tmp_path: Path) -> None:
    given = given_for(only("users", tmp_path))
    del given["images"]["digests"]["users"]

    with pytest.raises(SettingsError, match=r"Pulumi.dev.yaml: shop:images.digests: `users` has no digest here"):
        plan(program("dev", given), "dev")


def test_aws_is_one_account_in_one_region_and_every_resource_is_tagged(built: Plan) -> None:
    provider = built.named("pulumi:providers:aws", "aws")

    assert (provider["region"], json.loads(provider["allowedAccountIds"])) == ("eu-central-1", ["123456789012"])
    assert json.loads(provider["defaultTags"]) == {
        "tags": {"Project": "shop", "Environment": "dev", "ManagedBy": "pulumi"}
    }
    assert "endpoints" not in provider
    assert provider["skipCredentialsValidation"] == "false"


def test_a_stand_in_for_aws_is_told_in_one_object(tmp_path: Path) -> None:
    endpoints = {"sqs": "http://127.0.0.1:4566", "sns": "http://127.0.0.1:4566"}
    planned = environment("dev", only("users", tmp_path), target={"endpoints": endpoints})
    provider = planned.named("pulumi:providers:aws", "aws")

    assert json.loads(provider["endpoints"]) == [endpoints]
    assert provider["skipCredentialsValidation"] == "true"
