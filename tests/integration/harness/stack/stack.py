"""The stack `emulated`, driven by the CLI as a person does it: the program of the repository, its own state."""

import hashlib
import itertools
import json
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from infra.service import catalogue
from stacks.settings import PROJECT
from tests.integration.harness.aws import calls
from tests.integration.harness.aws.account import CREDENTIALS, Aws
from tests.integration.harness.machine.paths import ROOT
from tests.integration.harness.machine.processes import end, spawn
from tests.integration.harness.machine.toolchain import Toolchain

NAME = "emulated"
SETTINGS = ROOT / f"Pulumi.{NAME}.yaml"
DEADLINE_SECONDS = 900
WITHOUT_PAUSES = {"VCR_MODE": "REPLAY_ONLY", "VCR_PATH": os.devnull}
"""The AWS provider waits between its looks at what AWS makes or deletes: half a minute for each queue, minutes for a
database. When its own tests replay recorded answers, it does not, and these variables say so. It looks as often, and
for the same states; whether it keeps its patience is not what we test."""
BOOTSTRAP_IMAGE = "database-bootstrap"


@dataclass(frozen=True, order=True)
class Change:
    """What the engine did to one resource. A replacement is a create and a delete."""

    operation: str
    type: str
    """`aws:sqs/queue:Queue`"""
    name: str
    parents: str
    """Types of the components around it, from the outside in: `shop:aws:Service$shop:aws:Queue`."""


@dataclass
class Run:
    """One run of the engine."""

    command: str
    started: float
    """By time.monotonic()."""
    seconds: float
    changes: list[Change] = field(default_factory=list)

    def operations(self) -> Counter[str]:
        return Counter(change.operation for change in self.changes)

    def names(self) -> set[str]:
        return {change.name for change in self.changes}

    def touched(self, *operations: str) -> set[tuple[str, str]]:
        """Type and name of every resource with which any of these was done."""
        return {(change.type, change.name) for change in self.changes if change.operation in operations}

    def __str__(self) -> str:
        done = ", ".join(f"{count} {operation}" for operation, count in sorted(self.operations().items()))
        return f"{self.command:<36} {self.seconds:6.1f} s  {done or 'nothing changed'}"


class Stack:
    """Everything of it lies in `folder`. `commands` is a folder of programs that come before all others."""

    def __init__(self, folder: Path, tools: Toolchain, aws: Aws, commands: Path) -> None:
        self.services = folder / "services"
        self.runs: list[Run] = []
        self._folder, self._tools, self._aws, self._commands = folder, tools, aws, commands
        self._settings = folder / f"Pulumi.{NAME}.yaml"
        self._calls = itertools.count()
        self.digests: dict[str, str] = {}
        """Image -> digest, where it is another one than the first."""
        for file in (ROOT / "services").glob("*/service.yaml"):
            (self.services / file.parent.name).mkdir(parents=True)
            shutil.copy(file, self.services / file.parent.name)
        (folder / "state").mkdir()
        # In a folder of its own: it writes the key of the stack's secrets into the settings beside Pulumi.yaml.
        shutil.copy(ROOT / "Pulumi.yaml", folder)
        self._pulumi("stack", "init", NAME, directory=folder)
        self._key = yaml.safe_load(self._settings.read_text())

    def up(self) -> Run:
        return self._engine("up", "--yes", "--skip-preview")

    def up_that_fails(self) -> str:
        """What the engine printed. Raises AssertionError when it succeeds."""
        self._write_settings()
        started = time.monotonic()
        code, printed = self._printed("up", "--yes", "--skip-preview", "--stack", NAME, *self._from_settings())
        assert code != 0, f"pulumi up should have failed:\n{printed}"
        self.runs.append(Run("up, which fails", started, time.monotonic() - started))
        return printed

    def preview(self, *options: str) -> Run:
        return self._engine("preview", *options)

    def destroy(self) -> Run:
        return self._engine("destroy", "--yes", "--skip-preview")

    def outputs(self) -> dict[str, Any]:
        return dict(json.loads(self._pulumi("stack", "output", "--json", "--stack", NAME)))

    def resources(self) -> list[dict[str, Any]]:
        """What the state holds."""
        deployment = json.loads(self._pulumi("stack", "export", "--stack", NAME))["deployment"]
        return list(deployment.get("resources", []))

    def settings(self) -> dict[str, Any]:
        """What this machine decides, over the settings of the repository."""
        images = [BOOTSTRAP_IMAGE, *(spec.name for spec in catalogue.load(self.services))]
        return {
            "services": str(self.services),
            "images": {"digests": {name: self.digests.get(name, digest(1)) for name in images}},
            "target": self._aws.target,
        }

    def _write_settings(self) -> None:
        settings = {**yaml.safe_load(SETTINGS.read_text()), **self._key}
        settings["config"] |= {f"{PROJECT}:{key}": value for key, value in self.settings().items()}
        self._settings.write_text(yaml.safe_dump(settings))

    def _engine(self, command: str, *options: str) -> Run:
        self._write_settings()
        log = self._folder / f"events-{len(self.runs)}.json"
        started = time.monotonic()
        self._pulumi(command, "--stack", NAME, *self._from_settings(), "--event-log", str(log), *options)
        run = Run(" ".join([command, *options]), started, time.monotonic() - started)
        for line in log.read_text().splitlines():
            run.changes += _changes(json.loads(line))
        self.runs.append(run)
        return run

    def _from_settings(self) -> tuple[str, str]:
        return "--config-file", str(self._settings)

    def _pulumi(self, *arguments: str, directory: Path = ROOT) -> str:
        """Raises AssertionError with all that was printed when it fails."""
        code, printed = self._printed(*arguments, directory=directory)
        assert code == 0, f"pulumi {' '.join(arguments)} ended with {code}:\n{printed}"
        return printed

    def _printed(self, *arguments: str, directory: Path = ROOT) -> tuple[int, str]:
        """The exit code, and all that was printed."""
        log = self._folder / f"pulumi-{next(self._calls)}.log"
        command = [self._tools.program("pulumi"), "--non-interactive", *arguments]
        with log.open("wb") as output:
            process = spawn(command, output, self._environment(calls.mark(arguments)), directory)
        try:
            code = process.wait(DEADLINE_SECONDS)
        finally:
            end(process)
        return code, log.read_text(errors="replace")

    def _environment(self, mark: str) -> Mapping[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PULUMI_", "KUBE"))}
        path = [str(self._commands), str(Path(sys.executable).parent), self._tools.path]
        return {
            **kept,
            **CREDENTIALS,
            **WITHOUT_PAUSES,
            calls.USER_AGENT: mark,
            "PATH": os.pathsep.join(path),
            "PULUMI_BACKEND_URL": f"file://{self._folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "emulated",
            "PULUMI_DEBUG_COMMANDS": "true",  # shows the flag --event-log, as the Automation API does
            "PULUMI_HOME": str(self._folder / "home"),
            "PULUMI_PYTHON_CMD": sys.executable,
            "PULUMI_SKIP_UPDATE_CHECK": "1",
        }


def digest(version: int) -> str:
    """An image's digest, a different one for each version."""
    return f"sha256:{hashlib.sha256(str(version).encode()).hexdigest()}"


def _changes(event: dict[str, Any]) -> list[Change]:
    metadata = event.get("resOutputsEvent", {}).get("metadata")
    if metadata is None or metadata["op"] in ("same", "refresh"):
        return []
    types, name = metadata["urn"].split("::")[-2:]
    parents, _, kind = types.rpartition("$")
    if kind.startswith("pulumi:"):  # the stack and the providers: what the engine needs itself
        return []
    return [Change(metadata["op"], kind, name, parents)]
