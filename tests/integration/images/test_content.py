"""What is in the images of the shop, what is not, and how they start."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.harness.images import buildah
from tests.integration.harness.images.bases import container
from tests.integration.harness.images.images import (
    MEGABYTE,
    Image,
    Images,
)
from tests.integration.harness.images.inside import Started, containing, files, start, writable
from tests.integration.images.names import BAD_ENVIRONMENT, IN_GO, IN_PYTHON, NAMES

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

INSTALLS_OR_BUILDS = re.compile(
    r"(pip|setuptools|ensurepip|wheel|uv|uvx|git|curl|wget"
    r"|([a-z0-9_]+-linux-gnu-)?(go|gofmt|gcc|g\+\+|c\+\+|cc|clang|ld|as|make|cargo|rustc))"
    r"(-?[0-9]{1,2}(\.[0-9]+)*)?(\.dist-info|\.whl)?|.+\.whl"
)
SECRET_FILES = re.compile(r"pip\.conf|uv\.toml|\.netrc|\.pypirc|\.git|\.env|\.aws|\.ssh|\.config|id_[a-z0-9]+|.+\.key")
SECRET_VARIABLES = re.compile(r"^(PIP|UV|GO|AWS_(?!CA_BUNDLE))|INDEX|PROXY|PASSWORD|SECRET|TOKEN|KEY|CREDENTIAL")
PRIVATE_KEY = re.compile(rb"^-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/]{40}", re.MULTILINE)
TEMPORARY = {"tmp", "var/tmp", "run/lock"}
"""Debian lets everybody write there; in a pod only /tmp is more than a part of the read-only root."""
MODULES = ("pip", "setuptools", "ensurepip", "wheel", "uv")


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_as_a_user_that_is_not_root(built: dict[str, Image], name: str) -> None:
    assert built[name].manifest.config["User"] == "65532:65532"


@pytest.mark.parametrize("name", NAMES)
def test_nothing_in_it_installs_or_builds_software(root_of: Callable[[str], Path], name: str) -> None:
    named = {part: file for file in files(root_of(name)) for part in Path(file).parts}

    assert {part: file for part, file in named.items() if INSTALLS_OR_BUILDS.fullmatch(part)} == {}


@pytest.mark.parametrize("name", IN_PYTHON)
def test_its_python_cannot_install_either(root_of: Callable[[str], Path], built: dict[str, Image], name: str) -> None:
    asked = f"from importlib.util import find_spec; print([name for name in {MODULES} if find_spec(name)])"

    started = start(root_of(name), built[name].manifest, command=["python", "-c", asked])

    assert started == Started(0, "[]\n", "")


@pytest.mark.parametrize("name", NAMES)
def test_no_secret_and_nothing_of_the_machine_that_built_it_is_in_it(
    root_of: Callable[[str], Path], built: dict[str, Image], name: str
) -> None:
    root, manifest = root_of(name), built[name].manifest
    variables = [variable.partition("=")[0] for variable in manifest.config["Env"]]
    keys = [file for file in containing(root, "PRIVATE KEY-----") if PRIVATE_KEY.search((root / file).read_bytes())]

    assert [file for file in files(root) if SECRET_FILES.fullmatch(Path(file).name)] == []
    assert [variable for variable in variables if SECRET_VARIABLES.search(variable)] == []
    assert keys == []
    assert {file for file in files(root) if file.startswith("root/")} <= {"root/.bashrc", "root/.profile"}
    assert not [step for step in manifest.history if re.search(r"PIP_|UV_INDEX|GOPROXY|://", step)]


@pytest.mark.parametrize("name", IN_PYTHON)
def test_it_trusts_whom_its_base_trusts(
    workshop: Images, root_of: Callable[[str], Path], built: dict[str, Image], name: str
) -> None:
    bundle = buildah.AUTHORITIES.removeprefix("/")
    with container(workshop.buildah, workshop.bases.arguments["PYTHON_IMAGE"]) as (_, base):
        trusted = (base / bundle).read_text()

    assert (root_of(name) / bundle).read_text() == trusted
    assert workshop.authority.certificate.strip() in trusted
    assert f"AWS_CA_BUNDLE={buildah.AUTHORITIES}" in built[name].manifest.config["Env"]


@pytest.mark.parametrize("name", IN_GO)
def test_one_in_go_is_a_static_binary_and_nothing_else(root_of: Callable[[str], Path], name: str) -> None:
    root = root_of(name)

    shown = subprocess.run(["readelf", "--dynamic", root / name], capture_output=True, text=True, check=True)
    segments = subprocess.run(["readelf", "--segments", root / name], capture_output=True, text=True, check=True)

    assert files(root) == [name]
    assert "There is no dynamic section in this file." in shown.stdout
    assert "INTERP" not in segments.stdout


@pytest.mark.parametrize("name", NAMES)
def test_nothing_in_it_can_be_written_by_its_user(root_of: Callable[[str], Path], name: str) -> None:
    assert [file for file in writable(root_of(name)) if file not in TEMPORARY] == []


@pytest.mark.parametrize("name", NAMES)
def test_it_starts_with_a_read_only_root_as_far_as_its_environment_lets_it(
    root_of: Callable[[str], Path], built: dict[str, Image], name: str
) -> None:
    started = start(root_of(name), built[name].manifest, environment=BAD_ENVIRONMENT)

    assert started.code == 2
    assert started.printed == ""
    assert re.match(r"(The environment of this process is not right:\n|DATABASE_)", started.complained)
    assert "Traceback" not in started.complained
    assert "ead-only file system" not in started.complained


@pytest.mark.parametrize("name", IN_PYTHON)
def test_then_it_cannot_write_even_where_its_user_could(
    root_of: Callable[[str], Path], built: dict[str, Image], name: str
) -> None:
    started = start(root_of(name), built[name].manifest, command=["python", "-c", "open('/var/tmp/x', 'w')"])

    assert started.code == 1
    assert "Read-only file system" in started.complained


@pytest.mark.parametrize("name", NAMES)
def test_it_is_small(built: dict[str, Image], name: str) -> None:
    limit = 20 if name in IN_GO else 120

    assert built[name].manifest.compressed_bytes < limit * MEGABYTE
