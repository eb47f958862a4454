"""Which quick tests concern a file: those that import it, by the shortest ways, or name it."""

import re
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path

IMPORT = re.compile(
    r"^ *(?:from (?P<package>[\w.]+) import (?:\((?P<several>[^)]*)\)|(?P<names>[^\n(]*))|import (?P<module>[\w.]+))",
    re.MULTILINE,
)
WORKFLOWS = ".github/workflows"
FURTHER = 1
"""Tests that are so many imports further away than the nearest ones are asked, too."""
ELSEWHERE = ("tests/e2e", "tests/integration", "tests/golden", "tests/mutants")
"""Not among the quick ones; or, as the golden plans, asked first."""


def ours(root: Path) -> list[str]:
    """Packages at the top of the checkout."""
    return sorted(path.parent.name for path in root.glob("*/__init__.py"))


class Concern:
    """For the checkout at `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def tests(self, file: str) -> tuple[str, ...]:
        """Files of tests, the nearest first; relative to the root."""
        near = (self._importing(file) or self._beside(file)) if file.endswith(".py") else {}
        chosen = dict(near)
        for reader, words in self._texts.items():
            if self._named(file, words):
                chosen |= {reader: 0} if self._is_test(reader) else self._importing(reader)
        return tuple(sorted(chosen, key=lambda test: (chosen[test], test)))

    @cache  # noqa: B019 (there is one of it in a run)
    def is_near(self, file: str, test: str) -> bool:
        return test in self.tests(file)

    def is_run_by(self, modules: Sequence[str], file: str) -> bool:
        """Whether one of them, started as a program, imports the file in any way."""
        return any(file in self._reached(module) for module in modules)

    @cache  # noqa: B019 (there is one of it in a run)
    def _reached(self, module: str) -> frozenset[str]:
        seen = {file for name in (module, f"{module}.__main__") if (file := self._file(name))}
        waiting = deque(seen)
        while waiting:
            each = waiting.popleft()
            found = {file for name in _imported(self._root / each) if (file := self._file(name))} - seen
            seen |= found
            waiting.extend(found)
        return frozenset(seen)

    def _beside(self, file: str) -> Mapping[str, int]:
        """What nobody imports, as a `__main__.py`, is started by the tests of its package."""
        folder = f"tests/{Path(file).parent.name}/"
        return {test: 1 for test in self._texts if self._is_test(test) and test.startswith(folder)}

    def _named(self, file: str, words: str) -> bool:
        """By its name, or by that of its folder where a test reads all files of it."""
        path = Path(file)
        of_any_stack = re.sub(r"^Pulumi\.\w+\.", "Pulumi.{stack}.", path.name)
        if path.suffix == ".py":
            return False
        all_of_it = path.parent.as_posix() == WORKFLOWS and f'"{WORKFLOWS}"' in words
        return path.name in words or of_any_stack in words or all_of_it

    def _importing(self, file: str) -> Mapping[str, int]:
        """Test -> by how many imports it reaches the file, for the nearest of them."""
        distance = {file: 0}
        waiting = deque([file])
        while waiting:
            each = waiting.popleft()
            for importer in sorted(self._importers.get(each, ())):
                if importer not in distance:
                    distance[importer] = distance[each] + 1
                    waiting.append(importer)
        found = {test: distance[test] for test in self._texts if test in distance and self._is_test(test)}
        nearest = min(found.values(), default=0)
        return {test: steps for test, steps in found.items() if steps <= nearest + FURTHER}

    @staticmethod
    def _is_test(file: str) -> bool:
        return Path(file).name.startswith("test_")

    @cached_property
    def _texts(self) -> Mapping[str, str]:
        """Quick tests, and what they share -> its source."""
        files = [path.relative_to(self._root) for path in (self._root / "tests").rglob("*.py")]
        return {
            str(file): (self._root / file).read_text(encoding="utf-8")
            for file in files
            if not str(file).startswith(ELSEWHERE)
        }

    @cached_property
    def _importers(self) -> Mapping[str, set[str]]:
        """File -> the files that import it."""
        found = defaultdict(set)
        for package in ours(self._root):
            for path in (self._root / package).rglob("*.py"):
                importer = str(path.relative_to(self._root))
                for name in _imported(path):
                    if imported := self._file(name):
                        found[imported].add(importer)
        return found

    @cache  # noqa: B019 (there is one of it in a run)
    def _file(self, module: str) -> str | None:
        path = module.replace(".", "/")
        for candidate in (f"{path}.py", f"{path}/__init__.py"):
            if (self._root / candidate).is_file():
                return candidate
        return None


def _imported(path: Path) -> Iterator[str]:
    """Modules, as their names stand; of `from a import b` both a and a.b, whichever there is."""
    for each in IMPORT.finditer(path.read_text(encoding="utf-8")):
        if each["module"]:
            yield each["module"]
            continue
        yield each["package"]
        for name in (each["several"] or each["names"]).split(","):
            yield f"{each['package']}.{name.split('#')[0].split(' as ')[0].strip()}"
