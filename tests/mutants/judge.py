"""Whether a quick test notices a mutant. Each is judged in a process of its own, forked from one that has imported what
is not ours and nothing that is: importing the providers takes longer than all the rest."""

import gc
import importlib
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from itertools import accumulate
from pathlib import Path

import pulumi.runtime.resource
from pulumi.runtime.proto import source_pb2

from tests.mutants import asking, recording
from tests.mutants.concern import Concern
from tests.mutants.forks import forked
from tests.mutants.mutant import Mutant
from tests.mutants.places import at_import, statement
from tests.mutants.recording import Recording

GOLDEN = "tests/golden/"


@dataclass(frozen=True)
class Verdict:
    caught: bool
    by: str
    """The test that noticed it; of a survivor, the files that were asked."""
    cpu_seconds: float = 0.0


class Judge:
    """Works in the current folder, a copy of the tree that nobody else uses."""

    def __init__(self, kept: Path, few: bool, patience: float) -> None:
        self._kept, self._few, self._patience = kept, few, patience
        self._concern = Concern(Path.cwd())
        self._asked, self._caught = Counter[str](), Counter[str]()
        sys.dont_write_bytecode = True  # of two versions of a file within a second
        modules, self._groups = json.loads(forked(asking.look_around).said)
        for name in modules:
            with suppress(Exception):
                getattr(importlib.import_module(name), "nothing", None)  # lazy ones are loaded when somebody looks
        pulumi.runtime.resource._get_stack_trace = source_pb2.StackTrace  # is of no use here
        gc.collect()
        gc.freeze()

    def of(self, mutant: Mutant) -> Verdict:
        spent, asked = 0.0, dict[str, None]()
        for groups in self._candidates(mutant.file):
            chosen = self._chosen(mutant, groups)
            if not chosen:
                continue
            by, seconds = self._ask(mutant, chosen)
            asked |= dict.fromkeys(chosen)
            spent += seconds
            if by:
                self._learn(chosen, by)
                return Verdict(True, by, round(spent, 1))
        return Verdict(False, ", ".join(asked) or "nothing", round(spent, 1))

    def _candidates(self, file: str) -> Iterator[Sequence[str]]:
        """Groups that may notice something, those first of which it is the most likely. What is known is no work, so
        that it is asked together."""
        near = [each for each in self._concern.tests(file) if each in self._groups]
        golden = [each for each in self._groups if each.startswith(GOLDEN)]
        seen: set[str] = set()
        for groups in (near, golden, [] if self._few else self._groups):
            known = [each for each in self._groups if self._known(each)]
            now = [each for each in dict.fromkeys([*groups, *known]) if each not in seen]
            seen.update(now)
            yield now

    def _chosen(self, mutant: Mutant, groups: Sequence[str]) -> dict[str, list[str]]:
        """Group -> its tests that are worth to be asked, the cheapest for what it has caught first."""
        chosen, price = {}, {}
        for group in groups:
            recorded = self._recorded(group)
            tests = self._tests(mutant, group, recorded)
            if tests:
                chosen[group] = [each for each in recorded.seconds if each in tests]
                seconds = 0.1 + sum(recorded.seconds[each] for each in tests)
                price[group] = seconds * (self._asked[group] + 2) / (self._caught[group] + 1)
        by_price = sorted(chosen, key=price.__getitem__)
        spent = accumulate(sum(self._recorded(each).seconds[test] for test in chosen[each]) for each in by_price)
        return {group: chosen[group] for group, until in zip(by_price, spent, strict=True) if until <= self._patience}

    def _tests(self, mutant: Mutant, group: str, recorded: Recording) -> frozenset[str] | set[str]:
        file = mutant.file
        if not file.endswith(".py"):
            named = recorded.starts_processes and self._concern.is_near(file, group)
            return recorded.sound if named or file in recorded.read else set()
        source = Path(file).read_bytes()
        if self._concern.is_run_by(recorded.started, file):
            return recorded.sound
        if at_import(source, mutant.start):
            near = group.startswith(GOLDEN) or self._concern.is_near(file, group)
            return recorded.sound if near and recorded.imports(file) else set()
        return recorded.running(file, statement(source, mutant.start))

    def _ask(self, mutant: Mutant, chosen: Mapping[str, Sequence[str]]) -> tuple[str, float]:
        path = Path(mutant.file)
        original, times = path.read_bytes(), path.stat()
        tests = {test: self._recorded(group).seconds[test] for group, tests in chosen.items() for test in tests}
        known = {test for group in chosen for test in self._recorded(group).seconds}
        path.write_bytes(mutant.of(original))
        try:
            result = forked(partial(asking.failing, [each.partition("::")[0] for each in chosen], tests, known))
        finally:
            path.write_bytes(original)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # what is compiled of it stays good
        return (result.said.strip() if result.said else "it never ends, or ends the process"), result.cpu_seconds

    def _learn(self, chosen: Mapping[str, Sequence[str]], by: str) -> None:
        for group, tests in chosen.items():
            self._asked[group] += 1
            if by in tests:
                self._caught[group] += 1
                return

    @cache  # noqa: B019 (there is one of it in a run)
    def _recorded(self, group: str) -> Recording:
        with recording.locked(self._kept, group):
            if not self._known(group):
                forked(partial(recording.record, self._kept, group, asking.OPTIONS))
        found = recording.kept(self._kept, group)
        if found.failing:
            print(f"left out, as they fail without mutants: {', '.join(found.failing)}", file=sys.stderr)
        return found

    def _known(self, group: str) -> bool:
        return recording.file(self._kept, group).exists()
