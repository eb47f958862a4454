"""What an image's label says of the licences of its software: all that is in it, and nothing else."""

from pathlib import Path

import pytest

from infra.local.binaries import MISSING, go
from tests.tools.test_images import PYTHON_SERVICES, ROOT
from tools import dockerfiles, licences

GO_SERVICES = sorted(file.parent.name for file in (ROOT / "services").glob("*/go.mod"))


def label(dockerfile: str) -> str:
    return dockerfiles.label(ROOT / dockerfile)


def test_an_image_is_looked_at_wherever_there_is_one() -> None:
    looked_at = {f"services/{name}/Dockerfile" for name in (*PYTHON_SERVICES, *GO_SERVICES)}
    looked_at |= {f"tools/templates/{language}/Dockerfile" for language in ("go", "python")}
    looked_at |= {"infra/bootstrap/Dockerfile"}
    there = {file for folder in ("infra", "services", "tools") for file in (ROOT / folder).rglob("Dockerfile")}

    assert {str(file.relative_to(ROOT)) for file in there} == looked_at


@pytest.mark.parametrize("service", PYTHON_SERVICES)
def test_a_python_service_names_the_licences_of_its_locked_packages(service: str) -> None:
    assert label(f"services/{service}/Dockerfile") == licences.of_lock(ROOT, service)


def test_a_new_python_service_names_those_of_the_chassis() -> None:
    assert label("tools/templates/python/Dockerfile") == licences.of_lock(ROOT, "chassis")


def test_the_bootstrap_of_databases_names_those_of_its_requirements() -> None:
    requirements = (ROOT / "infra/bootstrap/requirements.txt").read_text()

    assert label("infra/bootstrap/Dockerfile") == licences.of_requirements(requirements)
    assert "LGPL-3.0-only" in licences.of_requirements(requirements)  # psycopg's


@pytest.mark.slow
@pytest.mark.skipif(go() is None, reason=MISSING)
@pytest.mark.parametrize(
    ("dockerfile", "module", "packages"),
    [
        *((f"services/{name}/Dockerfile", ROOT / "services" / name, f"./cmd/{name}") for name in GO_SERVICES),
        ("tools/templates/go/Dockerfile", ROOT / "services/chassis/go", "./..."),
    ],
)
def test_a_go_service_names_the_licences_of_the_modules_in_it(dockerfile: str, module: Path, packages: str) -> None:
    assert label(dockerfile) == licences.of_go_module(str(go()), module, packages)


def test_of_a_choice_one_that_is_there_anyway_is_chosen() -> None:
    assert licences.expression(["MIT OR Apache-2.0", "MIT AND ISC"]) == "ISC AND MIT"
    assert licences.expression(["MIT OR Apache-2.0", "ISC"]) == "ISC AND (MIT OR Apache-2.0)"


def test_a_licence_that_nobody_has_decided_on_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(licences, "IDENTIFIERS", licences.IDENTIFIERS - {"MPL-2.0"})

    with pytest.raises(ValueError, match=r"the licence of certifi is not known by its name: 'MPL-2\.0'"):
        licences.of_distribution("certifi")
