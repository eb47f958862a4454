"""`.ci/run` fails with each of its commands, and leaves nothing running."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parent.parent.parent
MAKE = """#!/bin/sh
echo "$*" >> calls
[ "$1" != integration ] || { echo $$ > integration.pid; echo 'the story'; [ -z "$WAITS" ] || exec sleep 600; }
[ "$1" != "$FAILS" ]
"""
BEFORE, AFTER = ["setup"], ["check", "test", "mutants SINCE= LIMIT=120"]


@dataclass(frozen=True)
class Checkout:
    folder: Path

    def run(self, **environment: str) -> "subprocess.CompletedProcess[str]":
        path = f"{self.folder / 'bin'}{os.pathsep}{os.defpath}"
        return subprocess.run(
            [self.folder / ".ci/run"], env=os.environ | environment | {"PATH": path}, capture_output=True, text=True
        )

    def calls(self) -> list[str]:
        """What `make` was asked for; integration begins at any time after the setup."""
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


def test_everything_runs_and_what_ran_beside_the_others_is_printed_in_the_end(checkout: Checkout) -> None:
    done = checkout.run()

    calls = checkout.calls()
    assert done.returncode == 0, done.stderr
    assert calls[:1] == BEFORE
    assert [call for call in calls[1:] if call != "integration"] == AFTER
    assert calls.count("integration") == 1
    assert done.stdout.splitlines()[-1] == "the story"


def test_integration_that_fails_fails_it_after_all_the_others(checkout: Checkout) -> None:
    done = checkout.run(FAILS="integration")

    assert done.returncode != 0
    assert [call for call in checkout.calls()[1:] if call != "integration"] == AFTER
    assert done.stdout.splitlines()[-1] == "the story"


@pytest.mark.parametrize("fails", ["check", "test", "mutants"])
def test_another_that_fails_ends_integration_and_fails_it(checkout: Checkout, fails: str) -> None:
    done = checkout.run(FAILS=fails, WAITS="1")

    assert done.returncode != 0
    assert checkout.calls()[-1].split()[0] in (fails, "integration")
    if (checkout.folder / "integration.pid").exists():
        pid = int((checkout.folder / "integration.pid").read_text())
        assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
