"""The settings of a stack: what is refused, how it is said, and what follows from a purpose."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.aws.regions import supported
from plans.programs import ROOT
from stacks.aws_settings import DEFAULTS, AwsSettings, Domain, aws_settings
from stacks.settings import LocalSettings, SettingsError, local_settings

ENOUGH: dict[str, Any] = {
    "purpose": "development",
    "account": "123456789012",
    "cluster": {"reached_from": ["203.0.113.7/32"]},
    "images": {"build": True},
}


def aws(stack: str = "dev", **given: Any) -> AwsSettings:
    """As the engine hands settings over: text, and JSON for what is more."""
    values = ENOUGH | given
    return aws_settings(
        stack, {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
    )


def refusals(stack: str = "dev", **given: Any) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        aws(stack, **given)
    first, *rest = str(refused.value).splitlines()
    assert first == "The settings are wrong; nothing was touched."
    return [line.removeprefix(f"  Pulumi.{stack}.yaml: ") for line in rest]


def test_without_settings_the_defaults_of_the_laptop_hold() -> None:
    assert local_settings("local", {}) == LocalSettings(services=Path("services"), directory=Path(".shop/local"))


def test_paths_are_relative_to_the_checkout_unless_absolute() -> None:
    settings = local_settings("local", {"directory": "/elsewhere"}).under(Path("/checkout"))

    assert settings == LocalSettings(services=Path("/checkout/services"), directory=Path("/elsewhere"))


def test_an_unknown_key_is_refused_with_file_key_and_the_one_that_was_meant() -> None:
    with pytest.raises(SettingsError) as refused:
        local_settings("local", {"servces": "x", "colour": "red"})

    assert str(refused.value).splitlines() == [
        "The settings are wrong; nothing was touched.",
        "  Pulumi.local.yaml: shop:servces: `servces` is no key here; did you mean `services`?",
        "  Pulumi.local.yaml: shop:colour: `colour` is no key here; known: directory, services",
    ]


def test_a_person_is_asked_for_what_only_they_know_and_for_nothing_else() -> None:
    with pytest.raises(SettingsError) as refused:
        aws_settings("dev", {"images": '{"build": true}'})

    assert str(refused.value).splitlines()[1:] == [
        "  Pulumi.dev.yaml: shop:purpose: is missing: `development` is cheap, `production` is safe: "
        "pulumi config set purpose <one of them>",
        "  Pulumi.dev.yaml: shop:account: is missing: the account that may be touched: "
        "pulumi config set account <12 digits>",
        "  Pulumi.dev.yaml: shop:cluster.reached_from: is missing: from where the cluster's API may be reached: "
        "pulumi config set --path 'cluster.reached_from[0]' <your address>/32",
    ]


@pytest.mark.parametrize("purpose", ["development", "production"])
def test_what_a_purpose_chooses_is_in_one_table(purpose: str) -> None:
    settings = aws(purpose=purpose).model_dump()

    for section, values in DEFAULTS[purpose].items():
        chosen = settings[section]
        assert chosen == values if not isinstance(values, dict) else values.items() <= chosen.items()


def test_a_stack_may_say_otherwise_without_repeating_the_rest() -> None:
    settings = aws(purpose="production", databases={"instance_class": "db.t4g.micro"})

    assert settings.databases.instance_class == "db.t4g.micro"
    assert settings.databases.multi_zone


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param(
            {"netwrk": {}}, "shop:netwrk: `netwrk` is no key here; did you mean `network`?", id="an unknown section"
        ),
        pytest.param(
            {"network": {"zone": 2}},
            "shop:network.zone: `zone` is no key here; did you mean `zones`?",
            id="an unknown key",
        ),
        pytest.param(
            {"account": "123"}, "shop:account: `123` is no account: 12 digits, in quotes", id="a short account"
        ),
        pytest.param(
            {"network": {"zones": 9}},
            "shop:network.zones: `9` is too large: at most 3",
            id="too many zones",
        ),
        pytest.param(
            {"network": {"cidr": "10.0.0.0/24"}},
            "shop:network: `10.0.0.0/24` is no `cidr` for 2 zones: /24 is invalid: a VPC here has /16 to /20",
            id="a network too small for its subnets",
        ),
        pytest.param(
            {"network": {"cidr": "8.8.0.0/16"}},
            "shop:network: `8.8.0.0/16` is no `cidr` for 2 zones: is no private network: take one in 10.0.0.0/8, "
            "172.16.0.0/12 or 192.168.0.0/16",
            id="a network of other people",
        ),
        pytest.param(
            {"cluster": {"reached_from": ["home"]}},
            "shop:cluster.reached_from[0]: `home` is no block of addresses: as in `203.0.113.7/32`",
            id="an address that is none",
        ),
        pytest.param(
            {"cluster": {"reached_from": [], "version": "latest"}},
            "shop:cluster.version: `latest` is no version of Kubernetes: as in `1.35`, in quotes",
            id="a version that moves",
        ),
        pytest.param(
            {"databases": {"instance_class": "big"}},
            "shop:databases.instance_class: `big` is no class of instances: as in `db.t4g.micro`",
            id="no class at all",
        ),
        pytest.param(
            {"databases": {"instance_class": "db.t4g.mikro"}},
            "shop:databases.instance_class: `db.t4g.mikro` is no class whose memory is known "
            "(infra/aws/instance_classes.py); did you mean `db.t4g.micro`?",
            id="an unknown class",
        ),
        pytest.param(
            {"images": {"build": True, "promote_from": "registry.example/shop-dev"}},
            "shop:images: names one source of images: `build: true`, `promote_from` or `digests`",
            id="two sources of images",
        ),
        pytest.param(
            {"images": {"digests": {"orders": "latest"}}},
            "shop:images.digests.orders: `latest` is no digest: sha256: and 64 hexadecimal digits",
            id="an image by its tag",
        ),
        pytest.param(
            {"region": "moon-north-1"},
            f"shop:region: `moon-north-1` is no region that has it all: {', '.join(supported())} "
            "(infra/aws/regions.py says why)",
            id="an unknown region",
        ),
        pytest.param(
            {"observability": {"log_days": 8}},
            "shop:observability.log_days: `8` is invalid; known: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, "
            "545, 731",
            id="days that CloudWatch does not know",
        ),
        pytest.param(
            {"target": {"authority": "authority.pem"}},
            "shop:target.authority: `authority.pem` is no certificate: PEM, not the name of a file",
            id="a file for a certificate",
        ),
    ],
)
def test_a_wrong_setting_is_refused_with(given: dict[str, Any], said: str) -> None:
    assert refusals(**given) == [said]


ROLE = "arn:aws:iam::123456789012:role/platform"


@pytest.mark.parametrize(
    ("field", "least", "most"),
    [
        ("network.zones", 2, 3),
        ("cluster.vcpu_limit", 2, 1000),
        ("databases.storage_gib", 20, 65_536),
        ("databases.backup_days", 1, 35),
        ("images.kept", 1, 1000),
    ],
)
def test_a_number_is_within_its_bounds(field: str, least: int, most: int) -> None:
    section, _, key = field.partition(".")

    def said(value: int) -> str:
        try:
            aws(**{section: ENOUGH.get(section, {}) | {key: value}})
        except SettingsError as error:
            return str(error)
        return ""

    assert f"shop:{field}: `{least - 1}` is too small" in said(least - 1)
    assert said(least) == said(most) == ""
    assert f"shop:{field}: `{most + 1}` is too large" in said(most + 1)


@pytest.mark.parametrize(
    ("section", "given"),
    [
        ("cluster", {"reached_from": ["10.0.0.1"]}),
        ("cluster", {"reached_from": "10.0.0.1/32"}),
        ("cluster", {"reached_from": [], "admins": ["platform"]}),
        ("cluster", {"reached_from": [], "admins": [ROLE.replace("role", "user")]}),
        ("cluster", {"reached_from": [], "viewers": ["*"]}),
        ("cluster", {"reached_from": [], "architectures": ["riscv"]}),
        ("cluster", {"reached_from": [], "log_days": 0}),
        ("network", {"flow_log_days": 2}),
        ("databases", {"instance_class": "t4g.micro"}),
        ("images", {}),
        ("images", {"build": False}),
        ("images", {"promote_from": "registry/shop-dev:latest"}),
        ("images", {"build": True, "pull_accounts": ["12345678901"]}),
        ("domain", {"name": "shop", "zone_id": "Z123"}),
        ("domain", {"name": "shop.example", "zone_id": "zone"}),
    ],
)
def test_what_has_not_the_form_of_a_setting_is_refused(section: str, given: Any) -> None:
    values: dict[str, Any] = {section: given}
    [said] = refusals(**values)

    assert said.startswith(f"shop:{section}")


def test_roles_of_the_cluster_and_accounts_that_may_pull_are_taken_as_they_are_written() -> None:
    settings = aws(
        cluster={"reached_from": [], "admins": [ROLE], "viewers": [ROLE]},
        images={"build": True, "pull_accounts": ["210987654321"]},
        domain={"name": "shop.example.org", "zone_id": "Z0123ABC"},
    )

    assert settings.cluster.admins == settings.cluster.viewers == (ROLE,)
    assert settings.images.pull_accounts == ("210987654321",)
    assert settings.domain == Domain(name="shop.example.org", zone_id="Z0123ABC")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param(
            {"protected": "false"},
            "`protected: false`: leave it out, or say `to_be_destroyed: true`",
            id="what may be deleted",
        ),
        pytest.param(
            {"databases": {"shared": True}},
            "`databases.shared: true`: every service has an instance of its own",
            id="a shared instance",
        ),
        pytest.param(
            {"databases": {"multi_zone": False}}, "`databases.multi_zone: false`: a zone may fail", id="one zone"
        ),
        pytest.param({"databases": {"backup_days": 6}}, "`databases.backup_days` below 7", id="few backups"),
        pytest.param(
            {"cluster": {"reached_from": ["0.0.0.0/0"]}},
            "`cluster.reached_from` the world: name your networks",
            id="an open cluster",
        ),
    ],
)
def test_production_refuses(given: dict[str, Any], said: str) -> None:
    assert refusals(purpose="production", **given) == [f"shop: for production this is invalid: {said}"]


def test_production_loses_its_protection_only_to_be_destroyed() -> None:
    assert not aws("prod", purpose="production", protected="false", to_be_destroyed="true").protected


def test_the_stack_prod_is_for_production() -> None:
    assert refusals("prod") == ["shop:purpose: `development` is invalid for this stack: its purpose is `production`"]


@pytest.mark.parametrize("stack", ["dev", "staging", "prod"])
def test_the_files_of_the_repository_lack_only_what_a_person_knows(stack: str) -> None:
    document = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())
    given = {key.removeprefix("shop:"): value for key, value in document["config"].items()}
    given["cluster"] = {"reached_from": [], **given.get("cluster", {})}

    assert aws(stack, **given).purpose == ("development" if stack == "dev" else "production")
