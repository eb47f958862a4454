"""Whether a quick test notices a mutant. Each is judged in a process of its own, forked from one that has imported what
is not ours and nothing that is: importing the providers takes longer than all the rest."""

import gc
import hashlib
import importlib
import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from unittest.mock import patch

import pytest
from pulumi.runtime.proto import source_pb2

from tests.mutants.concern import OURS
from tests.mutants.mutant import Mutant

LIMIT_SECONDS = 240
"""A mutant that takes longer never ends, which a test would notice."""
PRELOADED = ("everything", "local")
COLLECTED = ("tests/aws", "tests/bootstrap", "tests/kubernetes", "tests/policies", "tests/tools")
"""What imports the most of what is not ours."""
HASH = re.compile(r"[0-9a-f]{64}")
ALREADY_IMPORTED = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
"""Plugins of pytest are, before pytest starts."""
QUICK = "not e2e and not integration and not slow"
"""As in the Makefile's `unit`."""


@dataclass(frozen=True)
class Verdict:
    caught: bool
    by: str
    """The golden plan or the test that noticed it; of a survivor, what was asked."""
    seconds: float = 0.0


@dataclass(frozen=True)
class Known:
    """What a checkout is like without mutants."""

    plans: Mapping[str, str]
    """Golden plan -> what it comes to."""
    read_by: Mapping[str, Sequence[str]]
    """File -> the golden plans that it has a part in."""


class Judge:
    """Works in the current folder, a copy of the tree that nobody else uses."""

    def __init__(self, tests_of: Callable[[str], Sequence[str]]) -> None:
        self.here, self._tests_of = Path.cwd(), tests_of
        self._sound: dict[tuple[str, ...], tuple[str, ...]] = {}
        sys.dont_write_bytecode = True  # of two versions of a file within a second
        for name in json.loads(_forked(lambda: json.dumps(_not_ours(self.here)))):
            with suppress(Exception):
                getattr(importlib.import_module(name), "nothing", None)  # lazy ones are loaded when somebody looks
        gc.collect()
        gc.freeze()
        self._known = _known(self.here)

    def of(self, mutant: Mutant) -> Verdict:
        started = time.monotonic()
        plans = self._known.read_by.get(mutant.file, ())
        noticed = self._asked(mutant, lambda: self._different(plans))
        tests: tuple[str, ...] = ()
        if not noticed:
            tests = self._passing(self._tests_of(mutant.file))
            noticed = self._asked(mutant, lambda: _failing(tests))
        by = noticed or ", ".join([*plans, *tests]) or "nothing"
        return Verdict(bool(noticed), by, round(time.monotonic() - started, 1))

    def _asked(self, mutant: Mutant, question: Callable[[], str]) -> str:
        path = self.here / mutant.file
        original = path.read_bytes()
        path.write_bytes(mutant.of(original))
        try:
            said = _forked(lambda: f"{question()}\n")
        finally:
            path.write_bytes(original)
        return said.strip() if said else "it never ends, or ends the process"

    def _different(self, plans: Sequence[str]) -> str:
        return next((f"golden plan {name}" for name in plans if _plan(name) != self._known.plans[name]), "")

    def _passing(self, tests: Sequence[str]) -> tuple[str, ...]:
        """Without those that fail anyhow: what they say of a mutant is worth nothing."""
        wanted = tuple(tests)
        if wanted not in self._sound:
            bad: list[str] = []
            if _forked(lambda: f"{_failing(wanted)}\n") != "\n":
                bad = [test for test in wanted if _fails_alone(test)]
                print(f"left out, as they fail without mutants: {', '.join(bad)}", file=sys.stderr)
            self._sound[wanted] = tuple(test for test in wanted if test not in bad)
        return self._sound[wanted]


def _forked(work: Callable[[], str], limit_seconds: float = LIMIT_SECONDS) -> str:
    """What `work` returns in a process of its own; nothing when that dies or takes too long. Its children end, too."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        _in_child(work, read, write)
    os.close(write)
    said = bytearray()
    deadline = time.monotonic() + limit_seconds
    os.set_blocking(read, False)
    try:
        while time.monotonic() < deadline:
            with suppress(BlockingIOError):
                part = os.read(read, 1 << 16)
                if not part:
                    break
                said += part
                continue
            time.sleep(0.005)
    finally:
        os.close(read)
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return said.decode()


def _in_child(work: Callable[[], str], read: int, write: int) -> None:
    os.setpgid(0, 0)
    os.close(read)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    try:
        os.write(write, work().encode())
    finally:
        os._exit(0)


def _plan(name: str) -> str:
    """A golden plan, as short as can be: of the whole, and before it is made YAML. An error is a difference, too."""
    try:
        golden, text = importlib.import_module("tests.golden.plans"), importlib.import_module("tests.golden.text")
        with (
            patch("pulumi.runtime.resource._get_stack_trace", source_pb2.StackTrace),  # is of no use here
            patch.object(golden, "text", lambda plan: json.dumps(text.whole(plan), sort_keys=True)),
        ):
            return hashlib.sha256(golden.planned(name).encode()).hexdigest()
    except Exception as error:
        return repr(error)


def _failing(tests: Sequence[str]) -> str:
    """The test that fails first."""
    if not tests:
        return ""
    watcher = _Watcher()
    options = ["-x", "-q", "-p", "no:cacheprovider", "--hypothesis-seed=0", "-m", QUICK, *ALREADY_IMPORTED]
    status = pytest.main([*options, *tests], plugins=[watcher])
    fine = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    return "" if status in fine else watcher.failed or f"collection of {', '.join(tests)}"


def _fails_alone(test: str) -> bool:
    return _forked(lambda: f"{_failing([test])}\n") != "\n"


class _Watcher:
    failed = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.failed:
            self.failed = report.nodeid


def _known(checkout: Path) -> Known:
    plans: dict[str, str] = {}
    read_by: dict[str, list[str]] = {}
    for name in json.loads(_forked(lambda: json.dumps(importlib.import_module("tests.golden.plans").names()))):
        plans[name], files = json.loads(_forked(partial(_made_and_read, name, checkout)))
        if not HASH.fullmatch(plans[name]):
            raise LookupError(f"the golden plan {name} cannot be made: {plans[name]}")
        for file in [*files, f"Pulumi.{name}.yaml"]:
            read_by.setdefault(file, []).append(name)
    return Known(plans, read_by)


def _made_and_read(name: str, checkout: Path) -> str:
    return json.dumps([_plan(name), _files(checkout)])


def _files(checkout: Path) -> list[str]:
    """Ours that are imported."""
    paths = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    ours = [Path(path) for path in paths if path and Path(path).is_relative_to(checkout)]
    return sorted({str(path.relative_to(checkout)) for path in ours})


def _not_ours(checkout: Path) -> list[str]:
    """Every module that plans and tests import, but ours."""
    golden = importlib.import_module("tests.golden.plans")
    for name in PRELOADED:
        golden.planned(name)
    pytest.main(["--collect-only", "-q", *COLLECTED])
    return [
        name
        for name, module in list(sys.modules.items())
        if name.split(".")[0] not in (*OURS, "conftest", "__main__")
        and type(module).__name__ != "_LazyModule"  # nobody has looked at it
        and not str(getattr(module, "__file__", None) or "").startswith(f"{checkout}/")
    ]
