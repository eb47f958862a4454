"""Every Go module of the repository is vetted, formatted and passes its own tests."""

import os
import subprocess
from pathlib import Path

import pytest

from infra.local.binaries import MISSING, go

pytestmark = pytest.mark.slow

SERVICES = Path(__file__).parent.parent / "services"
MODULES = [file.parent for file in [*sorted(SERVICES.glob("*/go.mod")), SERVICES / "chassis/go/go.mod"]]
FIRST_TIME_SECONDS = 600
"""Modules are downloaded and compiled once on a machine; with both at hand it is a matter of seconds."""


def said(*command: str, folder: Path) -> str:
    """What a command of Go says; fails with it when the command does."""
    compiler = go()
    if compiler is None:
        pytest.skip(MISSING)
    done = subprocess.run(
        [compiler, *command],
        cwd=folder,
        # A lock file that is not up to date fails, and no other Go is downloaded.
        env=os.environ | {"GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local"},
        capture_output=True,
        text=True,
        timeout=FIRST_TIME_SECONDS,
    )
    if done.returncode != 0:
        pytest.fail(f"go {' '.join(command)}\n{done.stdout}{done.stderr}", pytrace=False)
    return done.stdout


@pytest.mark.timeout(FIRST_TIME_SECONDS)
@pytest.mark.parametrize("module", MODULES, ids=lambda folder: folder.relative_to(SERVICES).as_posix())
def test_a_module_passes_its_tests(module: Path) -> None:
    said("vet", "./...", folder=module)
    said("test", "-short", "./...", folder=module)


@pytest.mark.parametrize("module", MODULES, ids=lambda folder: folder.relative_to(SERVICES).as_posix())
def test_a_module_is_formatted_and_its_lock_file_is_tidy(module: Path) -> None:
    formatter = Path(said("env", "GOROOT", folder=module).strip()) / "bin/gofmt"
    listed = subprocess.run([str(formatter), "-l", "."], cwd=module, capture_output=True, text=True)

    assert (listed.stdout, listed.stderr) == ("", "")
    assert said("mod", "tidy", "-diff", folder=module) == ""
    assert not (module / "vendor").exists()
