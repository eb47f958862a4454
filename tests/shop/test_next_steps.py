"""What a person is told to do next."""

import re
import shlex

import pytest
import yaml
from typer.testing import CliRunner

from plans.programs import ROOT
from shop.__main__ import app
from shop.next_steps import steps

LOCAL = {"url": "http://127.0.0.1:20001", "logs": "/logs", "missing": {}}
ON_AWS = {"url": "https://x", "kubeconfig": "aws eks update-kubeconfig", "dashboard": "https://dashboard"}
BOTH = pytest.mark.parametrize(("stack", "outputs"), [("local", LOCAL), ("dev", ON_AWS)])


@BOTH
def test_every_command_of_the_client_is_one_that_it_has(stack: str, outputs: dict[str, str]) -> None:
    commands = re.findall(r"python -m shop (.*)", steps(stack, outputs))

    assert len(commands) == 4
    for command in commands:
        name, *options = shlex.split(command)
        said = CliRunner().invoke(app, [name, "--help"])
        assert said.exit_code == 0, said.output
        assert all(option in said.output for option in options if option.startswith("--"))


@BOTH
def test_every_make_target_is_one_that_there_is(stack: str, outputs: dict[str, str]) -> None:
    targets = set(re.findall(r"make (?:-s )?([a-z-]+)", steps(stack, outputs)))

    assert targets == {"seed", "token", "down", "env"}
    assert targets <= set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@BOTH
def test_what_is_ordered_is_among_the_products_that_seed_brings(stack: str, outputs: dict[str, str]) -> None:
    products = yaml.safe_load((ROOT / "shop/products.yaml").read_text())
    ordered = set(re.findall(r"TEA-[A-Z0-9-]+", steps(stack, outputs)))

    assert ordered == {"TEA-GREEN-100"}
    assert ordered <= set(re.findall(r"sku: ([A-Z0-9-]+)", yaml.safe_dump(products)))


def test_what_does_not_run_is_named_with_its_reason() -> None:
    said = steps("local", LOCAL | {"missing": {"pricing": "Go is not on PATH"}})

    assert "pricing does not run: Go is not on PATH." in said
    assert "does not run" not in steps("local", LOCAL)


def test_commands_for_another_stack_name_it() -> None:
    said = steps("dev", ON_AWS)

    assert said.count("STACK=dev") == 5
    assert said.count("--stack dev") == 4
    assert "https://dashboard" in said
