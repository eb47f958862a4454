"""What each group of quick tests does while nothing is changed: which lines it runs, which files it reads."""

import fcntl
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import coverage
import pytest
from coverage.data import CoverageData

MUTATED = ("infra", "stacks")
"""Packages whose lines are watched."""
UNSEEN = ("docs/", "tests/mutants/")
STARTS_A_PROCESS = ("subprocess.Popen", "os.posix_spawn", "os.fork")
IMPORTED = re.compile(r"\b(?:from|import) ([\w.]+)")
AT_COLLECTION = ""
"""Context of the lines that run while modules are imported."""


@dataclass(frozen=True, kw_only=True)
class Recording:
    """Of one group: a file of tests, or one golden plan."""

    seconds: Mapping[str, float]
    """Node id -> the CPU time that the test takes here, with its fixtures; in the order in which they run."""
    failing: Sequence[str]
    """What fails without mutants: what it says of one is worth nothing."""
    read: Sequence[str]
    """Files of the checkout, but Python, that were opened."""
    starts_processes: bool
    """What these run is not seen."""
    started: Sequence[str]
    """Modules that were started as programs: `python -m infra.local.gateway`."""
    lines: str
    """File with the lines, as coverage keeps them."""

    @cached_property
    def _data(self) -> CoverageData:
        data = CoverageData(self.lines)
        data.read()
        return data

    def running(self, file: str, lines: range) -> set[str]:
        """Tests that run one of these lines."""
        by_line = self._data.contexts_by_lineno(file)
        return {test for line in lines for test in by_line.get(line, ())} & self.sound

    def imports(self, file: str) -> bool:
        return file in self._data.measured_files()

    @cached_property
    def sound(self) -> frozenset[str]:
        return frozenset(self.seconds) - frozenset(self.failing)


def kept(folder: Path, group: str) -> Recording:
    """What was recorded.

    Raises:
        FileNotFoundError: when nothing was: the group ends the process that runs it.
    """
    recorded = json.loads(file(folder, group).read_text(encoding="utf-8"))
    return Recording(**recorded | {"lines": str(folder / recorded["lines"])})


@contextmanager
def locked(folder: Path, group: str) -> Iterator[None]:
    """While one process records it, others wait."""
    with file(folder, group).with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def record(folder: Path, group: str, options: Sequence[str]) -> str:
    """Runs the group in this process and in the current folder, a checkout, and keeps what it did."""
    checkout, kept_in = Path.cwd(), file(folder, group)
    lines, opened, events, started = kept_in.with_suffix(".coverage"), set[str](), set[str](), set[str]()

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event in STARTS_A_PROCESS:
            events.add(event)
            started.update(_modules(arguments))
        elif event == "open" and isinstance(arguments[0], str | os.PathLike):
            opened.add(os.fspath(arguments[0]))

    watched = coverage.Coverage(
        data_file=str(lines), source=[str(checkout / each) for each in MUTATED], config_file=False
    )
    watched.set_option("run:relative_files", True)
    recorder = _Recorder(watched)
    sys.addaudithook(audit)
    watched.start()
    pytest.main([*options, group], plugins=[recorder])
    watched.stop()
    watched.save()
    recording = Recording(
        seconds=recorder.seconds,
        failing=sorted(recorder.failing),
        read=sorted(_within(checkout, opened)),
        starts_processes=bool(events),
        started=sorted(started),
        lines=lines.name,
    )
    written = kept_in.with_suffix(".written")
    written.write_text(json.dumps(asdict(recording)), encoding="utf-8")
    written.rename(kept_in)
    return "recorded"


def state(checkout: Path, files: Sequence[str]) -> str:
    """Of everything that tests see, but themselves."""
    seen = hashlib.sha256()
    for file in files:
        if not Path(file).name.startswith("test_") and not file.startswith(UNSEEN):
            seen.update(f"{file}\0".encode() + (checkout / file).read_bytes())
    return seen.hexdigest()[:16]


def file(folder: Path, group: str) -> Path:
    """Named by the group and by what stands in it."""
    source = Path(group.partition("::")[0]).read_bytes()
    return folder / f"{hashlib.sha256(group.encode() + source).hexdigest()[:16]}.json"


class _Recorder:
    def __init__(self, watched: coverage.Coverage) -> None:
        self._watched = watched
        self.seconds: dict[str, float] = {}
        self.failing: set[str] = set()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._watched.switch_context(item.nodeid)
        before = _cpu_seconds()
        result = yield
        self.seconds[item.nodeid] = round(_cpu_seconds() - before, 3)
        self._watched.switch_context(AT_COLLECTION)
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failing.add(report.nodeid)


def _modules(arguments: tuple[Any, ...]) -> Iterator[str]:
    """What follows `-m` among the arguments of a command, or is imported in a program that is one of them."""
    words = [str(word) for each in arguments if isinstance(each, list | tuple) for word in each]
    yield from (word for option, word in pairwise(words) if option == "-m")
    yield from (module for word in words for module in IMPORTED.findall(word))


def _cpu_seconds() -> float:
    return sum(os.times()[:4])


def _within(checkout: Path, opened: set[str]) -> Iterator[str]:
    for name in opened:
        path = Path(os.path.normpath(checkout / name))
        if path.is_relative_to(checkout) and path.suffix not in (".py", ".pyc"):
            yield str(path.relative_to(checkout))
