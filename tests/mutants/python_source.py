"""A Python file with its syntax tree: what stands where, and how a part of it is replaced or left out."""

import ast
import re
from collections.abc import Sequence
from itertools import pairwise

from tests.mutants.mutant import Mutant, short

TRAILING_COMMA = re.compile(rb"\s*,")
Node = ast.expr | ast.stmt | ast.keyword


class Source:
    def __init__(self, file: str, source: bytes) -> None:
        self._file, self.source = file, source
        self._lines = [0]
        for line in source.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))
        self.tree = ast.parse(source)
        self._names = _names(self.tree)
        self.attributes = _attributes(self.tree)

    def start(self, node: Node) -> int:
        return self._lines[node.lineno - 1] + node.col_offset

    def end(self, node: Node) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._lines[node.end_lineno - 1] + node.end_col_offset

    def text(self, node: Node) -> str:
        return self.source[self.start(node) : self.end(node)].decode()

    def stands_there(self, node: ast.expr) -> bool:
        """Before Python 3.12, the place of what is inside of an f-string is not always right."""
        try:
            return ast.dump(ast.parse(self.text(node), mode="eval").body) == ast.dump(node)
        except (SyntaxError, UnicodeDecodeError):
            return False

    def mutant(self, place: str, change: str, start: int, end: int, replacement: str) -> Mutant:
        return Mutant(
            file=self._file,
            place=place or "(module)",
            change=short(change),
            start=start,
            end=end,
            replacement=replacement,
        )

    def replaced(self, place: str, node: ast.expr | ast.stmt, replacement: str) -> Mutant:
        change = f"{self._names.get(id(node), '')}{self.text(node)} -> {replacement}"
        return self.mutant(place, change, self.start(node), self.end(node), replacement)

    def dropped(self, place: str, statement: ast.stmt, instead: str = "pass") -> Mutant:
        return self.mutant(place, f"drop {self.text(statement)}", self.start(statement), self.end(statement), instead)

    def swapped(self, place: str, first: ast.expr, second: ast.expr) -> Mutant:
        """One for the other."""
        between = self.source[self.end(first) : self.start(second)].decode()
        change = f"swap {self.text(first)} and {self.text(second)}"
        replacement = f"{self.text(second)}{between}{self.text(first)}"
        return self.mutant(place, change, self.start(first), self.end(second), replacement)

    def without(self, elements: Sequence[ast.expr | ast.keyword], index: int, place: str) -> Mutant:
        return self.cut([(self.start(each), self.end(each)) for each in elements], index, place)

    def cut(self, spans: Sequence[tuple[int, int]], index: int, place: str) -> Mutant:
        """One of several that commas part."""
        start, end = spans[index]
        change = f"drop {self.source[start:end].decode()}"
        following = dict(pairwise(spans)).get(spans[index])
        if following:
            end = following[0]
        else:
            comma = TRAILING_COMMA.match(self.source, end)
            end = comma.end() if comma else end
        return self.mutant(place, change, start, end, "")


def _names(tree: ast.Module) -> dict[int, str]:
    """Node -> what it is the value of, as `enable_key_rotation=`."""
    names = {}
    for each in ast.walk(tree):
        match each:
            case ast.keyword(arg=str(name)):
                names[id(each.value)] = f"{name}="
            case ast.Dict():
                names |= {
                    id(value): f"{ast.unparse(key)}: " for key, value in zip(each.keys, each.values, strict=True) if key
                }
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)) if each.value:
                names[id(each.value)] = f"{name} = "
    return names


def _attributes(tree: ast.Module) -> dict[str, list[str]]:
    """Expression -> the attributes that are read of it anywhere in the file, in order."""
    read: dict[str, dict[str, None]] = {}
    called = {id(each.func) for each in ast.walk(tree) if isinstance(each, ast.Call)}
    for each in ast.walk(tree):
        if isinstance(each, ast.Attribute) and id(each) not in called and isinstance(each.ctx, ast.Load):
            read.setdefault(ast.unparse(each.value), {})[each.attr] = None
    return {base: list(names) for base, names in read.items()}
