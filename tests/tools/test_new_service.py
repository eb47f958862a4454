"""A new service: one folder, and it is part of every environment."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local import binaries
from infra.service import catalogue
from stacks import local
from stacks.settings import LocalSettings
from tests.aws.planning import copy_of_declarations, environment, registered
from tests.aws.slices import slice_of
from tests.mocks import record
from tools import new_service
from tools.new_service import NewServiceError, write

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
LANGUAGES = ("go", "python")


@pytest.fixture
def services(tmp_path: Path) -> Path:
    """The declarations, and the code that all services share."""
    copy = copy_of_declarations(tmp_path / "services")
    ignored = shutil.ignore_patterns("__pycache__", "tests")
    shutil.copytree(ROOT / "services/chassis", copy / "chassis", ignore=ignored)
    return copy


def test_there_is_a_template_for_every_language_of_a_declaration() -> None:
    assert new_service.LANGUAGES == LANGUAGES


def on_the_laptop(services: Path) -> set[tuple[str, str]]:
    settings = LocalSettings(services=services, directory=services.parent / "shop")
    return record(lambda: local.deploy("local", settings)).registered()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_new_service_is_its_slice_of_every_environment_with_no_other_file_changed(
    services: Path, language: str
) -> None:
    before = {file: file.read_bytes() for file in services.rglob("*") if file.is_file()}
    planned = {stack: registered(environment(stack, services)) for stack in ("dev", "prod")}
    here = on_the_laptop(services)

    folder = write("gift-cards", language, services)

    assert {file: file.read_bytes() for file in before} == before
    assert {file for file in services.rglob("*") if file.is_file() and not file.is_relative_to(folder)} == set(before)
    declared = catalogue.load(services)
    for stack, resources in planned.items():
        added = registered(environment(stack, services)) - resources
        assert added == slice_of(declared.services["gift-cards"], declared, stack == "dev")
    expected = {("shop:local:Service", "gift-cards"), ("Port", "gift-cards-port"), ("Process", "gift-cards")}
    expected |= {("Binary" if language == "go" else "Scopes", "gift-cards")}
    assert on_the_laptop(services) - here == expected


@pytest.mark.slow  # runs pytest and mypy
@pytest.mark.timeout(120)
def test_the_tests_of_a_new_service_in_python_pass_and_its_code_is_clean(services: Path) -> None:
    folder = write("gift-cards", "python", services)
    path = os.pathsep.join([str(folder), str(ROOT)])

    def run(*command: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": path, "MYPYPATH": path},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    run(
        "pytest",
        "-q",
        "-p",
        "tests.fixtures",
        "-p",
        "no:cacheprovider",
        "-c",
        "pyproject.toml",
        "--rootdir",
        str(services.parent),
        str(folder),
    )
    run("ruff", "check", "--config", "pyproject.toml", "--select", "I,F,E,UP", str(folder))
    run("ruff", "format", "--check", "--config", "pyproject.toml", str(folder))
    run("mypy", "--config-file", "pyproject.toml", "--cache-dir", str(services.parent / "mypy"), "-p", "gift_cards")


@pytest.mark.slow  # compiles the chassis
@pytest.mark.timeout(300)
@pytest.mark.skipif(binaries.go() is None, reason=binaries.MISSING)
def test_the_tests_of_a_new_service_in_go_pass_and_it_builds(services: Path) -> None:
    folder = write("gift-cards", "go", services)

    for command in (["vet", "./..."], ["test", "-short", "./..."]):
        done = subprocess.run([str(binaries.go()), *command], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "language", "said"),
    [
        ("", "python", "NAME: `` is invalid: lower-case letters, digits and single hyphens"),
        ("Gifts", "python", "NAME: `Gifts` is invalid: lower-case letters"),
        ("a" * 25, "go", "at most 24 of them"),
        ("chassis", "go", "NAME: there is a folder .*chassis already"),
        ("otel-collector", "go", "NAME: `otel-collector` is taken by the collector of traces"),
        ("json", "python", "NAME: `json` is taken by the module `json` of Python"),
        ("queue", "go", "NAME: `queue` is taken: who calls it finds it by QUEUE_URL"),
        ("httpx", "python", "NAME: `httpx` is the name of a Python package"),
        ("orders", "python", "NAME: there is a folder .*orders already"),
        ("gifts", "rust", "LANGUAGE: `rust` is invalid: go or python"),
    ],
)
def test_what_cannot_be_a_service_is_refused_and_nothing_is_written(
    services: Path, name: str, language: str, said: str
) -> None:
    before = set(services.rglob("*"))

    with pytest.raises(NewServiceError, match=said):
        write(name, language, services)

    assert set(services.rglob("*")) == before


def test_a_service_that_would_break_the_catalogue_is_taken_back(services: Path) -> None:
    broken = services / "orders/service.yaml"
    broken.write_text(broken.read_text().replace("calls: [pricing]", "calls: [pricng]"))

    with pytest.raises(NewServiceError, match="did you mean `pricing`"):
        write("gifts", "python", services)

    assert not (services / "gifts").exists()
