"""A local system of a test's own: the real engine, its own state, its own copy of the services."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import psutil
import psycopg
import yaml

from infra.local import postgresql
from infra.local.supervision import Supervisord, find_processes
from shop.checkout import local_pulumi_environment

ROOT = Path(__file__).parent.parent.parent
UP_SECONDS = 300
"""A build of the Go service with an empty cache included."""
SUPERVISOR_SECONDS = 60
CACHES = shutil.ignore_patterns("__pycache__", ".*")


@contextmanager
def running(folder: Path) -> Iterator["System"]:
    """A system that is up, and leaves no process behind whatever happens."""
    system = System(folder)
    try:
        system.up()
        yield system
    finally:
        if system.everything_running():
            system.destroy()


@dataclass(frozen=True)
class Step:
    """What the engine did to one resource."""

    operation: str
    type: str
    name: str


class System:
    """The stack `local` with everything of it in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.services = folder / "services"
        self.data = folder / "stack" / "data"
        self.run = folder / "stack" / "run"
        shutil.copytree(ROOT / "services", self.services, ignore=CACHES)
        debug = {"PULUMI_DEBUG_COMMANDS": "true"}  # shows the flag --event-log, as the Automation API does
        (folder / "state").mkdir()
        own = {"PULUMI_BACKEND_URL": f"file://{folder / 'state'}", "PULUMI_HOME": str(folder / "pulumi-home")}
        self._environment = os.environ | local_pulumi_environment() | own | debug
        self._settings = folder / "Pulumi.local.yaml"
        settings = yaml.safe_load((ROOT / "Pulumi.local.yaml").read_text())
        settings["config"] = {"shop:services": str(self.services), "shop:directory": str(folder / "stack")}
        self._settings.write_text(yaml.safe_dump(settings))
        self._pulumi("stack", "init", "local")

    def up(self) -> list[Step]:
        """`pulumi up`: what it changed."""
        return self._engine("up", "--yes", "--skip-preview")

    def preview_expecting_no_changes(self) -> None:
        self._engine("preview", "--expect-no-changes")

    def refresh(self) -> list[Step]:
        return self._engine("refresh", "--yes", "--skip-preview")

    def destroy(self) -> list[Step]:
        return self._engine("destroy", "--yes", "--skip-preview")

    def outputs(self) -> dict[str, Any]:
        return dict(json.loads(self._pulumi("stack", "output", "--json", "--stack", "local")))

    def database(self, name: str) -> psycopg.Connection[tuple[Any, ...]]:
        """A service's PostgreSQL database, as the superuser sees it."""
        return psycopg.connect(
            host="127.0.0.1",
            port=int(self.processes()["postgres"].environ()["PORT"]),  # much quicker than to ask the engine
            user=postgresql.SUPERUSER,
            password=(self.data / "postgres" / "password").read_text(),
            dbname=name,
        )

    def state(self) -> str:
        """The state of the stack as it lies on the disk."""
        return "".join(path.read_text() for path in (self.folder / "home/state/.pulumi/stacks").rglob("*.json"))

    def processes(self) -> dict[str, psutil.Process]:
        """The running processes by the name that supervisord knows."""
        found: dict[str, psutil.Process] = {}

        def is_own(process: psutil.Process) -> bool:
            # A process carries the variables of the one that started it; a service's own parent is supervisord.
            environment = process.environ()
            if not self._server(environment) or process.ppid() != self._supervisor_pid:
                return False
            found[environment["SUPERVISOR_PROCESS_NAME"]] = process
            return True

        find_processes(is_own)
        return found

    def halt(self, name: str) -> None:
        """Stops a process in order, and leaves it stopped."""
        self._supervisorctl("stop", name)

    def start(self, name: str) -> None:
        """Starts a halted process again; returns when it runs, which may be before it answers."""
        self._supervisorctl("start", name)

    @contextmanager
    def without(self, name: str) -> Iterator[None]:
        """A while in which the process does not run."""
        self.halt(name)
        try:
            yield
        finally:
            self.start(name)

    def everything_running(self) -> list[psutil.Process]:
        """Every process that works in the folder of this system, or for it."""
        return find_processes(self._belongs)

    def _server(self, environment: dict[str, str]) -> bool:
        return environment.get("SUPERVISOR_SERVER_URL", "").endswith(self._socket)

    @cached_property
    def _socket(self) -> str:
        return str(Supervisord(str(self.run)).socket)

    @property
    def _supervisor_pid(self) -> int:
        return int((self.run / "supervisord.pid").read_text())

    def _belongs(self, process: psutil.Process) -> bool:
        return self._server(process.environ()) or str(self.folder) in " ".join(process.cmdline())

    def _supervisorctl(self, *words: str) -> None:
        configuration = str(self.run / "supervisord.conf")
        command = [sys.executable, "-m", "supervisor.supervisorctl", "-c", configuration, *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SUPERVISOR_SECONDS)
        assert done.returncode == 0, f"supervisorctl {' '.join(words)}: {done.stdout}{done.stderr}"

    def _engine(self, command: str, *options: str) -> list[Step]:
        log = self.folder / "events.json"
        log.unlink(missing_ok=True)
        self._pulumi(
            command, "--stack", "local", "--config-file", str(self._settings), "--event-log", str(log), *options
        )
        return [step for line in log.read_text().splitlines() for step in _steps(json.loads(line))]

    def _pulumi(self, *arguments: str) -> str:
        done = subprocess.run(
            ["pulumi", "--non-interactive", *arguments],
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=UP_SECONDS,
        )
        assert done.returncode == 0, (
            f"pulumi {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        )
        return done.stdout


def _steps(event: dict[str, Any]) -> list[Step]:
    metadata = event.get("resOutputsEvent", {}).get("metadata")
    if metadata is None or metadata["op"] == "same":
        return []
    kind, name = metadata["urn"].split("::")[-2:]
    return [Step(metadata["op"], kind.split("$")[-1].rsplit(":", 1)[-1], name)]
