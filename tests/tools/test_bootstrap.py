"""How a fresh machine gets its Python packages."""

import re
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent.parent


def test_the_uv_that_is_installed_by_hash_is_the_locked_one() -> None:
    locked = tomllib.loads((ROOT / "uv.lock").read_text())
    [uv] = [package for package in locked["package"] if package["name"] == "uv"]
    pinned = (ROOT / "tools/bootstrap.txt").read_text()

    assert re.findall(r"^uv==(\S+)", pinned, re.MULTILINE) == [uv["version"]]
    hashes = set(re.findall(r"--hash=(\S+)", pinned))
    assert hashes
    assert hashes <= {wheel["hash"] for wheel in uv["wheels"]}


def test_every_service_in_python_is_installed() -> None:
    declared = [yaml.safe_load(file.read_text()) for file in (ROOT / "services").glob("*/service.yaml")]
    installed = {distribution.name for distribution in distributions()}

    assert {each["name"] for each in declared if each["language"] == "python"} <= installed
