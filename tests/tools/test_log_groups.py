"""What `make down` removes, when everything of an environment is destroyed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from shop.errors import ShopError
from tests.fixtures import Emulator
from tools.log_groups import main, of_stack, remove

CLUSTER = "shop-testing"
ACCOUNT = "000000000000"
GROUP = {"type": "aws:cloudwatch/logGroup:LogGroup", "urn": "urn:pulumi:dev::shop::aws:cloudwatch/logGroup:LogGroup::a"}
SETTINGS = {
    "shop:purpose": {"value": "development"},
    "shop:cluster": {"value": '{"reached_from":[]}'},
    "shop:images": {"value": '{"build":true}'},
    "pulumi:autonaming": {"value": "{}"},
}
STACK = {"type": "pulumi:pulumi:Stack", "urn": "urn:pulumi:dev::shop::pulumi:pulumi:Stack::shop-dev"}


def state(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"version": 3, "deployment": {"resources": list(resources)}}


@pytest.fixture
def logs(emulator: Emulator) -> Any:
    return boto3.client("logs", endpoint_url=emulator.url)


def names(logs: Any, prefix: str) -> set[str]:
    return {group["logGroupName"] for group in logs.describe_log_groups(logGroupNamePrefix=prefix)["logGroups"]}


def test_the_log_groups_of_a_stack_are_those_of_its_state() -> None:
    known = state(
        STACK, GROUP | {"id": "/aws/rds/instance/orders-1/upgrade"}, GROUP | {"id": "/aws/eks/shop-dev/cluster"}
    )

    assert of_stack(known) == ["/aws/rds/instance/orders-1/upgrade", "/aws/eks/shop-dev/cluster"]
    assert of_stack(state()) == of_stack({"version": 3, "deployment": {}}) == []


def test_what_came_back_of_the_stack_and_its_cluster_goes_and_nothing_of_others(logs: Any) -> None:
    came_back = {
        f"/aws/eks/{CLUSTER}/cluster",
        f"/aws/containerinsights/{CLUSTER}/application",
        "/aws/rds/instance/testing-1/postgresql",
    }
    of_others = {
        f"/aws/eks/{CLUSTER}-2/cluster",
        f"/aws/containerinsights/{CLUSTER}-2/application",
        "/aws/rds/instance/testing-1/postgresql-of-another",
        "/aws/rds/instance/testing-2/postgresql",
    }
    for name in came_back | of_others:
        logs.create_log_group(logGroupName=name)
    known = ["/aws/rds/instance/testing-1/postgresql", "/aws/vendedlogs/testing/which-did-not-come-back"]

    assert remove(logs, CLUSTER, known) == sorted(came_back)

    left = names(logs, "/aws/")
    assert of_others <= left
    assert came_back.isdisjoint(left)
    assert remove(logs, CLUSTER, known) == []


@pytest.fixture
def emulated(emulator: Emulator, path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs the tool where the emulator is AWS, and a `pulumi` prints such a state and such settings."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", emulator.url)
    program = path / "pulumi"
    program.write_text(f'#!/bin/sh\n/bin/cat "{path}/$1.json" || exit 1\n')
    program.chmod(0o755)

    def run(*arguments: str, there: dict[str, Any], account: str = ACCOUNT) -> None:
        settings = SETTINGS | {"shop:account": {"value": account}}
        (path / "stack.json").write_text(json.dumps(there))
        (path / "config.json").write_text(json.dumps(settings))
        monkeypatch.setattr("sys.argv", ["log_groups", "testing", *arguments])
        main()

    return run


def test_a_stack_that_is_there_says_which_it_has_and_keeps_them(
    emulated: Callable[..., None], logs: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"/aws/eks/{CLUSTER}/cluster"
    logs.create_log_group(logGroupName=name)

    emulated(there=state(STACK, GROUP | {"id": name}))
    assert capsys.readouterr().out == f"{name}\n"
    with pytest.raises(
        ShopError, match="testing is still there, and writes to its log groups: make down STACK=testing"
    ):
        emulated("--remove", name, there=state(STACK))
    with pytest.raises(ShopError, match="are of the account 000000000000, not of 123456789012"):
        emulated("--remove", name, there=state(), account="123456789012")
    assert names(logs, name) == {name}

    emulated("--remove", name, there=state())
    assert capsys.readouterr().out == f"AWS had made the log group {name} again: it is removed.\n"


def test_an_aws_that_does_not_answer_is_said_in_words(
    emulated: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")

    with pytest.raises(ShopError, match="what AWS may have made again of testing is still there: Could not connect"):
        emulated("--remove", there=state())
