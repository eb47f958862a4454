"""Where the shop is: its stack's outputs."""

import json
from pathlib import Path

import pytest

from shop import outputs
from shop.checkout import pulumi_environment
from tests.shop.conftest import Run
from tests.shop.documents import page
from tests.shop.server import Answer, FakeShop


@pytest.fixture
def pulumi(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A CLI that answers with the file `outputs.json` beside it, and writes down each time that it is asked."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "pulumi"
    script.write_text(f'#!/bin/sh\necho "$@" >> {folder}/asked\ncat {folder}/outputs.json\n')
    script.chmod(0o700)
    monkeypatch.setattr(outputs, "pulumi_environment", lambda: pulumi_environment(folder))
    monkeypatch.delenv("SHOP_OUTPUTS", raising=False)
    return folder


def asked(pulumi: Path) -> int:
    return len((pulumi / "asked").read_text().splitlines())


def test_a_file_names_the_shop(shop: FakeShop, run: Run) -> None:
    shop.on("GET /products", Answer(body=page()))

    assert run("browse").exit_code == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file or directory"),
        ("no json", "which has no outputs of a shop"),
        ('{"url": "http://127.0.0.1"}', "which has no outputs of a shop: issuer: Field required"),
    ],
)
def test_a_file_that_is_none_is_one_line(home: Path, tmp_path: Path, run: Run, content: str | None, said: str) -> None:
    if content is not None:
        (tmp_path / "outputs.json").write_text(content)

    result = run("browse", SHOP_OUTPUTS=str(tmp_path / "outputs.json"))

    assert result.exit_code == 1
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_shop_that_was_never_up_is_said_to_be(
    home: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SHOP_OUTPUTS", raising=False)
    monkeypatch.setattr(outputs, "HOME", tmp_path / "nothing")

    result = run("browse")

    assert (result.exit_code, result.stderr) == (1, "shop: the shop is not up: make up\n")


def test_the_stack_is_asked_once_in_a_while(
    shop: FakeShop, pulumi: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.on("GET /products", Answer(body=page()))
    (pulumi / "outputs.json").write_text(json.dumps(shop.outputs))

    for _ in range(2):
        assert run("browse", "--stack", "dev").exit_code == 0
    assert asked(pulumi) == 1

    monkeypatch.setattr(outputs, "CACHE_SECONDS", 0)
    assert run("browse", "--stack", "dev").exit_code == 0
    assert asked(pulumi) == 2


def test_a_shop_that_does_not_answer_is_looked_for_again(shop: FakeShop, pulumi: Path, run: Run) -> None:
    shop.on("GET /products", Answer(body=page()))
    (pulumi / "outputs.json").write_text(json.dumps(shop.outputs | {"url": "http://127.0.0.1:1"}))
    result = run("browse", "--stack", "dev")
    assert result.exit_code == 1
    assert result.stderr == "shop: the shop does not answer at http://127.0.0.1:1; is it up? make up STACK=dev\n"
    (pulumi / "outputs.json").write_text(json.dumps(shop.outputs))

    assert run("browse", "--stack", "dev").exit_code == 0


def test_a_stack_without_outputs_is_not_up(pulumi: Path, run: Run) -> None:
    (pulumi / "outputs.json").write_text("{}")

    assert run("browse", "--stack", "dev").stderr == "shop: the shop is not up: make up STACK=dev\n"


def test_a_stack_that_pulumi_cannot_show_is_said_with_its_reason(pulumi: Path, run: Run) -> None:
    result = run("browse", "--stack", "dev")

    assert result.exit_code == 1
    assert result.stderr.startswith("shop: `pulumi stack output -s dev` failed: cat: ")


def test_without_the_cli_it_is_said_how_it_comes(pulumi: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs, "pulumi_environment", lambda: {"PATH": ""})

    result = run("browse", "--stack", "dev")

    assert (result.exit_code, result.stderr) == (1, "shop: the Pulumi CLI is not there: make setup\n")


def test_a_name_that_is_no_stack_is_refused(pulumi: Path, run: Run) -> None:
    assert run("browse", "--stack", "../dev").stderr == "shop: '../dev' is not the name of a stack\n"
    assert not (pulumi / "asked").exists()
