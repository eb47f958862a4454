"""Images are built of the Dockerfiles, once, and pushed to the registry."""

import re
import shutil
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.integration.harness.images import buildah
from tests.integration.harness.images.bases import PREFIX, container
from tests.integration.harness.images.buildah import Buildah
from tests.integration.harness.images.images import (
    BOOTSTRAP,
    FAILS,
    Image,
    Images,
    dockerfiles,
    table,
)
from tests.integration.harness.images.inside import Started, start
from tests.integration.harness.images.registry import registry
from tests.integration.harness.machine.network import REGISTRY, private_network
from tests.integration.harness.machine.paths import ROOT
from tests.integration.images.names import BAD_ENVIRONMENT, DECLARED, NAMES
from tools.new_service import LANGUAGES, write

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


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
    with patch.object(Buildah, "build", side_effect=AssertionError("something is built again")):
        again = workshop.build_all()

    assert {name: image.digest for name, image in again.items()} == {
        name: image.digest for name, image in built.items()
    }


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
