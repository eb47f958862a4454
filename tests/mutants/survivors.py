"""Mutants that no test notices, and why that does no harm: survivors.yaml."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import yaml

from tests.mutants.mutant import Mutant

FILE = Path(__file__).parent / "survivors.yaml"


@dataclass(frozen=True, kw_only=True)
class Survivor:
    """`*` in the first three stands for anything."""

    file: str
    place: str
    change: str
    reason: str

    def is_of(self, mutant: Mutant) -> bool:
        pairs = zip((self.file, self.place, self.change), mutant.identity, strict=True)
        return all(_like(value, pattern) for pattern, value in pairs)


def _like(value: str, pattern: str) -> bool:
    return fnmatchcase(value, pattern.replace("[", "[[]"))


def read(file: Path = FILE) -> Sequence[Survivor]:
    return [Survivor(**entry) for entry in yaml.safe_load(file.read_text(encoding="utf-8")) or []]


def reason(mutant: Mutant, survivors: Sequence[Survivor]) -> str | None:
    """Why it may survive, where somebody has said so."""
    return next((each.reason for each in survivors if each.is_of(mutant)), None)
