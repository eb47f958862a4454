"""Mutants of files of every kind."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.mutants import of_makefile, of_python, of_yaml
from tests.mutants.mutant import Mutant


def all_mutants(root: Path, files: Iterable[str]) -> Iterator[Mutant]:
    for file in files:
        source = (root / file).read_bytes()
        if file == "Makefile":
            yield from of_makefile.mutants(file, source)
        elif file.endswith(".py"):
            yield from of_python.mutants(file, source)
        else:
            yield from of_yaml.mutants(file, source)


def is_another(root: Path, mutant: Mutant) -> bool:
    """Whether it means something else, or anything. Takes a hundred times as long as to make it."""
    source = (root / mutant.file).read_bytes()
    if mutant.file.endswith(".py"):
        return of_python.is_another(mutant, source)
    return mutant.file == "Makefile" or of_yaml.is_another(mutant, source)
