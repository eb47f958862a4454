"""What `pulumi up` runs, before it registers anything."""

import json
import runpy
from pathlib import Path
from typing import Any

import pulumi
import pytest

from stacks import settings

DECLARATION = "name: alpha\nsummary: the first\nlanguage: python\ncalls: [beta]\n"
OF_DEV = {"purpose": "development", "account": "123456789012", "cluster": '{"reached_from": []}'}
DIGEST = f"sha256:{'0' * 64}"


@pytest.fixture
def services(tmp_path: Path) -> Path:
    """A wrong declaration in a folder without code."""
    folder = tmp_path / "services/alpha"
    folder.mkdir(parents=True)
    (folder / "service.yaml").write_text(DECLARATION)
    return folder.parent


def refused(monkeypatch: pytest.MonkeyPatch, stack: str, given: dict[str, str]) -> str:
    """What is said to whoever types `pulumi up`."""

    def registers(*_: Any) -> None:
        pytest.fail("something is registered")

    monkeypatch.setattr(pulumi, "get_stack", lambda: stack)
    monkeypatch.setattr(settings, "configured", lambda: given)
    monkeypatch.setattr(pulumi.Resource, "__init__", registers)
    with pytest.raises(pulumi.RunError) as error:
        runpy.run_module("stacks", run_name="__main__")
    return str(error.value)


@pytest.mark.parametrize(
    ("stack", "given", "looks_for"),
    [
        pytest.param("local", {}, {"__main__.py", "pyproject.toml"}, id="the laptop runs the code"),
        pytest.param(
            "dev",
            OF_DEV | {"images": '{"build": true}'},
            {"__main__.py", "pyproject.toml", "Dockerfile", "Dockerfile.dockerignore"},
            id="dev builds images of it",
        ),
        pytest.param(
            "staging",
            OF_DEV | {"images": '{"promote_from": "registry.example/shop-dev"}'},
            {"__main__.py", "pyproject.toml", "Dockerfile", "Dockerfile.dockerignore"},
            id="staging looks for the images of this very source",
        ),
        pytest.param(
            "emulated", OF_DEV | {"images": json.dumps({"digests": {"alpha": DIGEST}})}, set(), id="images by digest"
        ),
    ],
)
def test_declaration_and_code_are_looked_at_before_anything_is_registered(
    monkeypatch: pytest.MonkeyPatch, services: Path, stack: str, given: dict[str, str], looks_for: set[str]
) -> None:
    said = refused(monkeypatch, stack, given | {"services": str(services)})

    assert "services/alpha/service.yaml: calls[0]: `beta` is no service" in said
    missing = {word.rpartition("/")[2] for line in said.splitlines() for word in line.split(" is not there")[0].split()}
    files = {"__main__.py", "pyproject.toml", "Dockerfile", "Dockerfile.dockerignore"}
    assert missing & files == looks_for


def test_wrong_settings_are_refused_before_anything_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Pulumi.prod.yaml: shop:purpose" in refused(monkeypatch, "prod", {})
