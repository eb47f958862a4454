"""What the Dockerfile says, as no Docker is at hand to build it in a test."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from infra import build_context
from infra.local.binaries import MISSING, go
from tests.tools.test_images import PINNED, ROOT, final_stage, from_context, instructions, last

DOCKERFILE = ROOT / "services/pricing/Dockerfile"
BASE = re.compile(r"gcr\.io/distroless/static-debian12:nonroot@sha256:[0-9a-f]{64}")


def arguments(instruction: str) -> list[str]:
    return [given for name, given in instructions(DOCKERFILE) if name == instruction]


def sent() -> list[Path]:
    return [file.relative_to(ROOT) for file in build_context.files(ROOT, DOCKERFILE)]


def test_the_image_is_one_static_binary_that_runs_as_nobody() -> None:
    assert final_stage(DOCKERFILE) == [
        ("FROM", "${BASE_IMAGE}"),
        ("LABEL", last("LABEL", DOCKERFILE)),
        ("COPY", "--from=build /pricing /pricing"),
        ("USER", "65532:65532"),
        ("EXPOSE", "8080"),
        ("ENTRYPOINT", '["/pricing"]'),
    ]
    assert last("ENV", DOCKERFILE).split() == ["CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOTOOLCHAIN=local"]
    assert '-trimpath -ldflags "-s -w" -o /pricing ./cmd/pricing' in last("RUN", DOCKERFILE)


def test_both_images_are_pinned_and_arguments_replace_them() -> None:
    given = dict(each.split("=", 1) for each in arguments("ARG") if "=" in each)

    assert set(given) == {"GO_IMAGE", "BASE_IMAGE"}
    assert PINNED.fullmatch(given["GO_IMAGE"])
    assert BASE.fullmatch(given["BASE_IMAGE"])
    assert arguments("FROM") == ["--platform=$BUILDPLATFORM ${GO_IMAGE} AS build", "${BASE_IMAGE}"]


def test_the_compiler_is_the_one_that_the_modules_ask_for() -> None:
    image = re.search(r"golang:(\d+)\.(\d+)\.(\d+)", DOCKERFILE.read_text())
    assert image is not None
    for module in ("services/pricing", "services/chassis/go"):
        wanted = re.search(r"^go (\d+)\.(\d+)\.(\d+)$", (ROOT / module / "go.mod").read_text(), re.MULTILINE)
        assert wanted is not None
        assert tuple(map(int, wanted.groups())) <= tuple(map(int, image.groups()))


def test_what_is_copied_is_sent_and_what_is_sent_is_copied() -> None:
    files, sources = sent(), [Path(source) for source in from_context(DOCKERFILE)]

    def lies_in(file: Path, source: Path) -> bool:
        return file == source or source in file.parents

    assert [source for source in sources if not any(lies_in(file, source) for file in files)] == []
    assert [file for file in files if not any(lies_in(file, source) for source in sources)] == []


def test_it_is_made_of_its_own_code_and_the_chassis_and_of_no_test() -> None:
    names = [file.as_posix() for file in sent()]

    assert {"/".join(name.split("/")[:3]) for name in names if name.startswith("services/chassis")} == {
        "services/chassis/go"
    }
    assert {"/".join(name.split("/")[:2]) for name in names} == {"services/chassis", "services/pricing"}
    assert {Path(name).suffix for name in names} == {".go", ".mod", ".sum", ".yaml"}
    assert not [name for name in names if name.endswith("_test.go") or "/tests/" in name or "/testdata/" in name]


@pytest.mark.timeout(300)
def test_what_is_sent_is_enough_to_build_it(tmp_path: Path) -> None:
    compiler = go()
    if compiler is None:
        pytest.skip(MISSING)
    for file in sent():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
    environment = os.environ | dict(word.split("=", 1) for word in last("ENV", DOCKERFILE).split())

    done = subprocess.run(
        [compiler, "build", "-o", str(tmp_path / "built"), "./cmd/pricing"],
        cwd=tmp_path / "services/pricing",
        env=environment,
        capture_output=True,
        text=True,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "built").read_bytes().startswith(b"\x7fELF")
