"""What a component can be told, the program tells it: a parameter that only tests pass shows an environment that there
is not, and a default that is always overridden hides that one was forgotten."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from plans.programs import ROOT

PROGRAM = ("infra", "stacks")


@dataclass
class Arguments:
    """The arguments of a component, and who makes them."""

    file: Path
    defaults: set[str]
    """Fields that may be left out."""
    made: list[set[str]] = field(default_factory=list)
    """For each place that makes them: the fields it names."""


def trees() -> Iterator[tuple[Path, ast.Module]]:
    for folder in PROGRAM:
        for file in (ROOT / folder).rglob("*.py"):
            yield file.relative_to(ROOT), ast.parse(file.read_text())


@cache
def arguments() -> dict[str, Arguments]:
    """Every dataclass of this program whose name ends in Args."""
    parsed = list(trees())
    found = {
        node.name: Arguments(
            file,
            {
                each.target.id
                for each in node.body
                if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name) and each.value is not None
            },
        )
        for file, tree in parsed
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and node.name.endswith("Args")
    }
    for _, tree in parsed:
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in found:
                found[node.func.id].made.append({each.arg for each in node.keywords if each.arg is not None})
    return found


def test_every_component_is_made_by_the_program() -> None:
    found = arguments()

    assert len(found) > 20
    assert [name for name, each in found.items() if not each.made] == []


def test_what_may_be_left_out_is_given_somewhere_and_left_out_somewhere() -> None:
    wrong = {
        f"{each.file}: {name}.{parameter} is {'always given' if any(given) else 'never given'}"
        for name, each in arguments().items()
        for parameter in each.defaults
        for given in [[parameter in named for named in each.made]]
        if len(set(given)) == 1
    }

    assert wrong == set()
