"""What a process that has been forked does with the tests."""

import importlib
import json
import resource
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.mutants.concern import ours

QUICK = "not e2e and not integration and not slow"
"""As in the Makefile's `unit`."""
ELSEWHERE = ("tests/e2e", "tests/integration", "tests/mutants")
"""Without quick tests; or not of what is mutated."""
LATE = ("everything", "local")
"""Golden plans, whose making imports what the SDKs import late."""
OPTIONS = (
    *("-q", "-p", "no:cacheprovider", "--hypothesis-seed=0", "-m", QUICK, "--assert=plain", "-o", "timeout=300"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # plugins are imported before pytest starts
)
COLLECTION_SECONDS, SLACK_SECONDS, SLACK = 60, 20, 10
"""A test may take so much more CPU time than it took without mutants."""


def look_around() -> str:
    """Every module that plans and tests import, but ours; and the groups of quick tests."""
    collected = _Collected()
    pytest.main([*OPTIONS, "--collect-only", *(f"--ignore={each}" for each in ELSEWHERE), "tests"], plugins=[collected])
    golden = importlib.import_module("tests.golden.plans")
    for name in LATE:
        golden.planned(name)
    here = Path.cwd()
    own = (*ours(here), "conftest", "__main__")
    modules = [
        name
        for name, module in list(sys.modules.items())
        if name.split(".")[0] not in own
        and type(module).__name__ != "_LazyModule"  # nobody has looked at it
        and not str(getattr(module, "__file__", None) or "").startswith(f"{here}/")
    ]
    return json.dumps([modules, list(collected.groups)])


def group(test: str) -> str:
    """The file of a test; each golden plan, which costs about as much as all tests of a file, is one by itself."""
    return test if test.startswith("tests/golden/") else test.partition("::")[0]


def failing(groups: Sequence[str], tests: Mapping[str, float], known: Collection[str]) -> str:
    """The test that fails first. In the order of `tests` (with the CPU time that each took without mutants); of those
    that are not `known`, as they have another name now, all."""
    chosen = _Chosen(tests, known)
    with patch("difflib.unified_diff", lambda *_, **__: []):  # nobody reads it
        status = pytest.main([*OPTIONS, "-x", *dict.fromkeys(groups)], plugins=[chosen])
    fine = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    return "\n" if status in fine else chosen.failed or "collection"


class _Collected:
    def __init__(self) -> None:
        self.groups: dict[str, None] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.groups = dict.fromkeys(group(item.nodeid) for item in session.items)


class _Chosen:
    def __init__(self, tests: Mapping[str, float], known: Collection[str]) -> None:
        self._tests, self._known = tests, known
        self._order = {test: number for number, test in enumerate(tests)}
        self.failed = ""
        _allow(COLLECTION_SECONDS)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        wanted = [each for each in items if each.nodeid in self._order or each.nodeid not in self._known]
        items[:] = sorted(wanted, key=lambda each: self._order.get(each.nodeid, len(self._order)))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        _allow(SLACK_SECONDS + SLACK * self._tests.get(nodeid, 0))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.failed:
            self.failed = report.nodeid


def _allow(seconds: float) -> None:
    """So much CPU time from now on."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))
