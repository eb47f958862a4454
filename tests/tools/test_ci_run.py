"""`.ci/run` runs its commands in order, and fails with each of them."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
MAKE = """#!/bin/sh
echo "$*" >> calls
[ "$1" != integration ] || echo 'the story'
[ "$1" != "$FAILS" ]
"""
CALLS = ["setup", "check", "test", "mutants SINCE= LIMIT=120", "integration"]


@dataclass(frozen=True)
class Checkout:
    folder: Path

    def run(self, **environment: str) -> "subprocess.CompletedProcess[str]":
        path = f"{self.folder / 'bin'}{os.pathsep}{os.defpath}"
        return subprocess.run(
            [self.folder / ".ci/run"], env=os.environ | environment | {"PATH": path}, capture_output=True, text=True
        )

    def calls(self) -> list[str]:
        """What `make` was asked for."""
        return (self.folder / "calls").read_text().splitlines()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    for folder in (".ci", ".shop", "bin", "tests/integration"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(ROOT / ".ci/run", tmp_path / ".ci")
    for name, content in {"bin/make": MAKE, "tests/integration/packages": "#!/bin/sh\necho bash\n"}.items():
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o755)
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@example.com", "-C", str(tmp_path))
    for command in (["init", "--quiet"], ["commit", "--quiet", "--allow-empty", "--message", "first"]):
        subprocess.run([*git, *command], check=True, env={"PATH": os.defpath})
    return Checkout(tmp_path)


def test_everything_runs_in_order_and_it_ends_with_what_the_last_prints(checkout: Checkout) -> None:
    done = checkout.run()

    assert done.returncode == 0, done.stderr
    assert checkout.calls() == CALLS
    assert done.stdout.splitlines()[-1] == "the story"


@pytest.mark.parametrize("fails", ["setup", "check", "test", "mutants", "integration"])
def test_it_fails_with_each_of_its_commands_and_goes_no_further(checkout: Checkout, fails: str) -> None:
    done = checkout.run(FAILS=fails)

    calls = checkout.calls()
    assert done.returncode != 0
    assert calls == CALLS[: len(calls)]
    assert calls[-1].split()[0] == fails
