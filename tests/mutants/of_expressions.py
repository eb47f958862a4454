"""Mutants of the expressions of a Python file."""

import ast
from collections.abc import Iterator, Sequence
from itertools import pairwise

from tests.mutants.mutant import Mutant
from tests.mutants.python_source import Source

SAID_TO_PEOPLE = frozenset({"Problem", "RunError", "print", "warn", "info", "debug", "error"})
"""Calls whose texts are read by people: a test that knew each word of them would be no help."""
COMPARISONS = {
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.In: "not in",
    ast.NotIn: "in",
    ast.Is: "is not",
    ast.IsNot: "is",
}
ARITHMETIC = {ast.Add: "-", ast.Sub: "+", ast.Mult: "+", ast.Div: "*", ast.FloorDiv: "*", ast.Mod: "+", ast.Pow: "+"}
OTHER_FUNCTIONS = {"any": "all", "all": "any", "min": "max", "max": "min", "startswith": "endswith"}
OWN = ("self", "cls", "args")
JOINING = ast.Add | ast.BitOr | ast.BitAnd | ast.Sub


class Expressions(Source):
    def expression(self, node: ast.expr, place: str, condition: bool = False) -> Iterator[Mutant]:
        if condition and not isinstance(node, ast.UnaryOp):
            yield self.replaced(place, node, f"not ({self.text(node)})")
        if is_said(node):
            return
        yield from self._operators(node, place, condition)
        match node:
            case ast.JoinedStr():
                yield from self._words(node, place)
                yield from self._interpolated(node, place)
                return
            case ast.Constant():
                yield from self._constant(node, place)
            case ast.List() | ast.Tuple() | ast.Set():
                yield from self.elements(node.elts, place)
            case ast.Dict():
                yield from self._pairs(node, place)
            case ast.Call():
                yield from self._arguments(node, place)
            case ast.Attribute():
                yield from self._another_attribute(node, place)
            case _:
                pass
        yield from self._parts(node, place)

    def elements(self, elements: Sequence[ast.expr], place: str) -> Iterator[Mutant]:
        for index in range(len(elements)):
            yield self.without(elements, index, place)

    def _operators(self, node: ast.expr, place: str, condition: bool) -> Iterator[Mutant]:
        match node:
            case ast.Compare(ops=[operator]) if type(operator) in COMPARISONS:
                other = COMPARISONS[type(operator)]
                changed = f"{self.text(node.left)} {other} {self.text(node.comparators[0])}"
                yield self.replaced(place, node, changed)
            case ast.BoolOp():
                word = " or " if isinstance(node.op, ast.And) else " and "
                yield self.replaced(place, node, word.join(f"({self.text(each)})" for each in node.values))
                if len(node.values) > 2 or (isinstance(node.op, ast.Or) and not condition):
                    yield from self._without_one(node, place)
            case ast.UnaryOp(op=ast.Not()):
                yield self.replaced(place, node, f"({self.text(node.operand)})")
            case ast.BinOp():
                if type(node.op) in ARITHMETIC and not _is_text(node):
                    other = ARITHMETIC[type(node.op)]
                    yield self.replaced(place, node, f"{self.text(node.left)} {other} {self.text(node.right)}")
                if isinstance(node.op, JOINING):
                    yield self.replaced(place, node, self.text(node.left))
            case _:
                pass

    def _without_one(self, node: ast.BoolOp, place: str) -> Iterator[Mutant]:
        word = " or " if isinstance(node.op, ast.Or) else " and "
        for left_out in node.values:
            kept = [f"({self.text(each)})" for each in node.values if each is not left_out]
            yield self.replaced(place, node, word.join(kept))

    def _parts(self, node: ast.expr, place: str) -> Iterator[Mutant]:
        for child in ast.iter_child_nodes(node):
            match child:
                case ast.expr():
                    condition = isinstance(node, ast.IfExp) and child is node.test
                    yield from self.expression(child, place, condition)
                case ast.keyword():
                    yield from self.expression(child.value, place)
                case ast.comprehension():
                    yield from self.expression(child.iter, place)
                    for test in child.ifs:
                        yield self.replaced(place, test, "True")
                        yield from self.expression(test, place, condition=True)

    def _interpolated(self, node: ast.JoinedStr, place: str) -> Iterator[Mutant]:
        for part in node.values:
            if isinstance(part, ast.FormattedValue) and self.stands_there(part.value):
                yield from self.expression(part.value, place)

    def _constant(self, node: ast.Constant, place: str) -> Iterator[Mutant]:
        match node.value:
            case str():
                yield from self._words(node, place)
            case bool():
                yield self.replaced(place, node, str(not node.value))
            case int() | float():
                yield self.replaced(place, node, repr(node.value + 1))
            case _:
                pass  # None, ..., bytes

    def _words(self, node: ast.Constant | ast.JoinedStr, place: str) -> Iterator[Mutant]:
        """Something at the end of a text, whichever quotes it has; of several lines, each left out."""
        text = self.text(node)
        quotes = next((each for each in ('"""', "'''", '"', "'") if text.endswith(each)), None)
        if not quotes or text.startswith(("b", "B")):
            return
        changed = f"{text.removesuffix(quotes)}-x{quotes}"
        if isinstance(node, ast.Constant) and node.value == "":
            changed = '"x"'
        yield self.replaced(place, node, changed)
        start = self.start(node)
        lines = text.splitlines(keepends=True) if len(quotes) > 1 else []
        for line in lines[1:-1]:
            at = start + len(text[: text.index(line)].encode())
            if line.strip():
                yield self.mutant(place, f"drop {line}", at, at + len(line.encode()), "")

    def _another_attribute(self, node: ast.Attribute, place: str) -> Iterator[Mutant]:
        """A wire in another hole: `network.private_subnet_ids` for `network.database_subnet_ids`, `queue.arn` for
        `dead.arn`. What is of one kind has the last word of its name in common."""
        base = ast.unparse(node.value)
        kind = node.attr.rpartition("_")[2]
        others = [each for each in self.attributes.get(base, ()) if each != node.attr]
        same = [each for each in others if each.rpartition("_")[2] == kind]
        if same:
            yield self.replaced(place, node, f"{self.text(node.value)}.{same[0]}")
        if isinstance(node.value, ast.Name):
            holders = [
                other
                for other, held in self.attributes.items()
                if other != base and other.isidentifier() and node.attr in held and other not in OWN
            ]
            if holders and base not in OWN:
                yield self.replaced(place, node, f"{holders[0]}.{node.attr}")

    def _arguments(self, node: ast.Call, place: str) -> Iterator[Mutant]:
        arguments: list[ast.expr | ast.keyword] = [*node.args, *node.keywords]
        arguments.sort(key=self.start)
        for index, argument in enumerate(arguments):
            if isinstance(argument, ast.keyword | ast.Starred):
                yield self.without(arguments, index, place)
        for first, second in pairwise(node.args):
            if _are_alike(first, second):
                yield self.swapped(place, first, second)
        for one, other in pairwise(node.keywords):
            if _are_alike(one.value, other.value):
                change = f"swap {self.text(one)} and {self.text(other)}"
                between = self.source[self.end(one.value) : self.start(other.value)].decode()
                replacement = f"{self.text(other.value)}{between}{self.text(one.value)}"
                yield self.mutant(place, change, self.start(one.value), self.end(other.value), replacement)
        match node.func:
            case ast.Name(id=name) | ast.Attribute(attr=name) if name in OTHER_FUNCTIONS:
                changed = self.text(node.func).removesuffix(name) + OTHER_FUNCTIONS[name]
                yield self.replaced(place, node.func, changed)

    def _pairs(self, node: ast.Dict, place: str) -> Iterator[Mutant]:
        spans = []
        for key, value in zip(node.keys, node.values, strict=True):
            begin = self.start(key) if key else self.source.rindex(b"**", 0, self.start(value))
            spans.append((begin, self.end(value)))
        for index in range(len(spans)):
            yield self.cut(spans, index, place)


def is_said(node: ast.expr) -> bool:
    """Whether it is a message to people."""
    if not isinstance(node, ast.Call):
        return False
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in SAID_TO_PEOPLE or name.endswith("Error")
    return False


def _are_alike(first: ast.expr, second: ast.expr) -> bool:
    """Whether somebody might take one for the other."""
    kinds = (ast.Name, ast.Attribute)
    return isinstance(first, kinds) and isinstance(second, kinds) and ast.unparse(first) != ast.unparse(second)


def _is_text(node: ast.BinOp) -> bool:
    return any(
        isinstance(each, ast.JoinedStr) or (isinstance(each, ast.Constant) and isinstance(each.value, str))
        for each in (node.left, node.right)
    )
