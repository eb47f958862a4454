"""The images of the shop, built of its Dockerfiles: what is in them, what is not, and how they start."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from infra import catalogue
from tests.integration.harness.images.bases import PREFIX, container
from tests.integration.harness.images.images import (
    BOOTSTRAP,
    FAILS,
    MEGABYTE,
    Image,
    Images,
    dockerfiles,
    images,
    missing,
    table,
)
from tests.integration.harness.images.inside import Started, files, start, writable
from tests.integration.harness.images.registry import registry
from tests.integration.harness.machine.network import REGISTRY, private_network
from tests.integration.harness.machine.paths import ROOT
from tests.integration.pods import buildah
from tools.new_service import LANGUAGES, write

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800), pytest.mark.xdist_group("integration")]

DECLARED = catalogue.load(ROOT / "services").services
IN_GO = sorted(name for name, spec in DECLARED.items() if spec.language == "go")
IN_PYTHON = [*sorted(set(DECLARED) - set(IN_GO)), BOOTSTRAP]
NAMES = [*IN_PYTHON, *IN_GO]
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
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
BAD_ENVIRONMENT = {"LOG_LEVEL": "deafening"}
MODULES = ("pip", "setuptools", "ensurepip", "wheel", "uv")


@pytest.fixture(scope="module")
def workshop() -> Iterator[Images]:
    if os.geteuid() != 0:
        pytest.skip("mounts of images need root")
    if why := missing():
        pytest.skip(why)
    with images() as found:
        yield found


@pytest.fixture(scope="module")
def built(workshop: Images) -> dict[str, Image]:
    return workshop.build_all()


@pytest.fixture(scope="module")
def root_of(workshop: Images, built: dict[str, Image]) -> Iterator[Callable[[str], Path]]:
    """Where the files of an image are."""
    with ExitStack() as mounts:
        found: dict[str, Path] = {}

        def mounted(name: str) -> Path:
            if name not in found:
                found[name] = mounts.enter_context(container(workshop.buildah, built[name].local))[1]
            return found[name]

        yield mounted


def test_every_service_and_the_bootstrap_have_an_image_in_the_registry(
    workshop: Images, built: dict[str, Image], capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print("", *table(built.values()), sep="\n")

    assert set(built) == {*DECLARED, BOOTSTRAP} == {*NAMES}
    for name, image in built.items():
        assert image.repository == f"shop-emulated/{name}"
        assert DIGEST.fullmatch(image.digest)
        assert workshop.registry.manifest(image.repository, image.digest) == image.manifest


def test_what_is_built_of_the_same_files_is_there_already(workshop: Images, built: dict[str, Image]) -> None:
    again = workshop.build_all()

    assert {name: image.digest for name, image in again.items()} == {
        name: image.digest for name, image in built.items()
    }
    assert max(image.seconds for image in again.values()) < 2


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
    small = [file for file in files(root) if (root / file).is_file() and not (root / file).is_symlink()]
    keys = [file for file in small if PRIVATE_KEY.search((root / file).read_bytes())]

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


def test_another_version_has_another_digest_and_the_same_content(workshop: Images, built: dict[str, Image]) -> None:
    first = built["orders"]

    second = workshop.other(first, "second")

    assert second.repository == first.repository
    assert second.digest not in {first.digest, workshop.other(first, "third").digest}
    assert second.digest == workshop.other(first, "second").digest
    assert second.manifest.layers[: len(first.manifest.layers)] == first.manifest.layers
    assert second.manifest.config["Entrypoint"] == first.manifest.config["Entrypoint"]


def test_one_that_is_made_to_fail_says_so_and_ends(workshop: Images, built: dict[str, Image]) -> None:
    broken = workshop.failing(built["orders"])

    with container(workshop.buildah, broken.local) as (_, root):
        started = start(root, broken.manifest, arguments=["migrate"])

    assert started == Started(1, "", f"{FAILS}\n")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_service_that_was_scaffolded_elsewhere_is_built_as_the_others_are(
    workshop: Images, tmp_path: Path, language: str
) -> None:
    shutil.copytree(ROOT / "services/chassis", tmp_path / "services/chassis")
    folder = write("gift-cards", language, tmp_path / "services")

    image = workshop.build_service_of(folder)

    with container(workshop.buildah, image.local) as (_, root):
        started = start(root, image.manifest, environment=BAD_ENVIRONMENT)
    assert image.repository == "shop-emulated/gift-cards"
    assert (started.code, started.printed) == (2, "")
    assert started.complained.startswith("The environment of this process is not right:\n")


def test_what_was_pushed_here_is_pulled_from_the_same_storage_in_the_pods_network(
    workshop: Images, built: dict[str, Image]
) -> None:
    with private_network(), registry(workshop.folder / "registry", f"{REGISTRY}:5000") as found:
        seen = {name: found.manifest(image.repository, image.digest) for name, image in built.items()}

    assert seen == {name: image.manifest for name, image in built.items()}


def test_every_dockerfile_begins_with_a_base_that_is_made_here(workshop: Images) -> None:
    given = [workshop.bases.of(file) for file in [*dockerfiles(), ROOT / "infra/bootstrap/Dockerfile"]]

    named = {image for arguments in given for image in arguments.values()}
    assert all(image == "scratch" or image.startswith(f"{PREFIX}/") for image in named)


def test_a_build_reaches_its_indexes_as_this_machine_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://packages.example.com/simple")
    monkeypatch.setenv("GOPROXY", "https://modules.example.com")

    found = buildah.settings()

    assert "index-url = https://packages.example.com/simple" in found["pip/pip.conf"]
    if shutil.which("go"):
        assert "GOPROXY=https://modules.example.com" in found["go/env"]
