"""Mutants of a Python file, from its syntax tree."""

import ast
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from tests.mutants.mutant import Mutant, short

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
TRAILING_COMMA = re.compile(rb"\s*,")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def mutants(file: str, source: bytes) -> Iterator[Mutant]:
    """In the order of the file. A few are no Python: `compiles` tells."""
    seen = set()
    for mutant in _Visitor(file, source).found():
        changed = mutant.start, mutant.end, mutant.replacement
        if changed not in seen:
            seen.add(changed)
            yield mutant


def compiles(mutant: Mutant, source: bytes) -> bool:
    """What takes a hundred times as long as to make it."""
    try:
        compile(mutant.of(source), mutant.file, "exec")
    except SyntaxError:
        return False
    return True


class _Visitor:
    def __init__(self, file: str, source: bytes) -> None:
        self._file, self._source = file, source
        self._lines = [0]
        for line in source.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))
        self._tree = ast.parse(source)
        self._attributes = _attributes(self._tree)
        self._names = _names(self._tree)

    def found(self) -> Iterator[Mutant]:
        yield from sorted(self._block(self._tree.body, ""), key=lambda each: (each.start, each.end))

    # Where a node stands.

    def _start(self, node: ast.expr | ast.stmt | ast.keyword) -> int:
        return self._lines[node.lineno - 1] + node.col_offset

    def _end(self, node: ast.expr | ast.stmt | ast.keyword) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._lines[node.end_lineno - 1] + node.end_col_offset

    def _text(self, node: ast.expr | ast.stmt | ast.keyword) -> str:
        return self._source[self._start(node) : self._end(node)].decode()

    def _mutant(self, place: str, change: str, start: int, end: int, replacement: str) -> Mutant:
        return Mutant(
            file=self._file,
            place=place or "(module)",
            change=short(change),
            start=start,
            end=end,
            replacement=replacement,
        )

    def _replaced(self, place: str, node: ast.expr | ast.stmt, replacement: str) -> Mutant:
        change = f"{self._names.get(id(node), '')}{self._text(node)} -> {replacement}"
        return self._mutant(place, change, self._start(node), self._end(node), replacement)

    # Statements.

    def _block(self, statements: Sequence[ast.stmt], place: str) -> Iterator[Mutant]:
        for index, statement in enumerate(statements):
            if index == 0 and isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                continue  # a docstring
            yield from self._statement(statement, place)

    def _statement(self, node: ast.stmt, place: str) -> Iterator[Mutant]:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield from self._function(node, place)
                return
            case ast.ClassDef():
                yield from self._block(node.body, f"{place}.{node.name}".lstrip("."))
                return
            case ast.Import() | ast.ImportFrom() | ast.Raise() | ast.Pass() | ast.Global():
                return
            case ast.Expr(value=ast.Constant()):
                return  # what stands below an attribute is its description
            case ast.If() if _is_of_the_interpreter(node.test):
                return
            case ast.Expr(value=ast.Call() | ast.Await()) if not _said(node.value):
                yield self._mutant(place, f"drop {self._text(node)}", self._start(node), self._end(node), "pass")
            case ast.AugAssign():
                yield self._mutant(place, f"drop {self._text(node)}", self._start(node), self._end(node), "pass")
            case ast.AnnAssign():
                yield from self._annotation(node.annotation, place)
            case _:
                pass
        yield from self._children(node, place)

    def _children(self, node: ast.stmt, place: str) -> Iterator[Mutant]:
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "target", "targets", "type_comment"):
                continue
            for child in value if isinstance(value, list) else [value]:
                match child:
                    case ast.stmt():
                        yield from self._statement(child, place)
                    case ast.expr():
                        condition = name == "test" and isinstance(node, ast.If | ast.While | ast.Assert)
                        yield from self._expression(child, place, condition)
                    case ast.ExceptHandler():
                        yield from self._block(child.body, place)
                    case ast.withitem():
                        yield from self._expression(child.context_expr, place)
                    case ast.match_case():
                        if child.guard:
                            yield from self._expression(child.guard, place, condition=True)
                        yield from self._block(child.body, place)

    def _function(self, node: Function, place: str) -> Iterator[Mutant]:
        inside = f"{place}.{node.name}".lstrip(".")
        defaults = [*node.args.defaults, *(each for each in node.args.kw_defaults if each)]
        for default in defaults:
            yield from self._expression(default, inside)
        yield from self._block(node.body, inside)

    def _annotation(self, node: ast.expr, place: str) -> Iterator[Mutant]:
        """Of a type only what is checked when the program runs: bounds, patterns, allowed words."""
        for each in ast.walk(node):
            match each:
                case ast.Call():
                    yield from self._expression(each, place)
                case ast.Subscript(value=ast.Name(id="Literal"), slice=ast.Tuple(elts=words)):
                    yield from self._dropped(words, place)

    # Expressions.

    def _expression(self, node: ast.expr, place: str, condition: bool = False) -> Iterator[Mutant]:
        if condition and not isinstance(node, ast.UnaryOp):
            yield self._replaced(place, node, f"not ({self._text(node)})")
        if _said(node):
            return
        yield from self._operators(node, place, condition)
        match node:
            case ast.JoinedStr():
                yield from self._constant(node, place)
                return
            case ast.Constant():
                yield from self._constant(node, place)
            case ast.List() | ast.Tuple() | ast.Set():
                yield from self._dropped(node.elts, place)
            case ast.Dict():
                yield from self._pairs(node, place)
            case ast.Call():
                yield from self._keywords(node, place)
            case ast.Attribute():
                yield from self._another_attribute(node, place)
            case _:
                pass
        yield from self._parts(node, place)

    def _operators(self, node: ast.expr, place: str, condition: bool) -> Iterator[Mutant]:
        match node:
            case ast.Compare(ops=[operator]) if type(operator) in COMPARISONS:
                other = COMPARISONS[type(operator)]
                changed = f"{self._text(node.left)} {other} {self._text(node.comparators[0])}"
                yield self._replaced(place, node, changed)
            case ast.BoolOp():
                word = " or " if isinstance(node.op, ast.And) else " and "
                yield self._replaced(place, node, word.join(f"({self._text(each)})" for each in node.values))
                if isinstance(node.op, ast.Or) and not condition:
                    yield self._replaced(place, node, self._text(node.values[-1]))
            case ast.UnaryOp(op=ast.Not()):
                yield self._replaced(place, node, f"({self._text(node.operand)})")
            case ast.BinOp() if type(node.op) in ARITHMETIC and not _is_text(node):
                other = ARITHMETIC[type(node.op)]
                yield self._replaced(place, node, f"{self._text(node.left)} {other} {self._text(node.right)}")
            case _:
                pass

    def _parts(self, node: ast.expr, place: str) -> Iterator[Mutant]:
        for child in ast.iter_child_nodes(node):
            match child:
                case ast.expr():
                    condition = isinstance(node, ast.IfExp) and child is node.test
                    yield from self._expression(child, place, condition)
                case ast.keyword():
                    yield from self._expression(child.value, place)
                case ast.comprehension():
                    yield from self._expression(child.iter, place)
                    for test in child.ifs:
                        yield from self._expression(test, place, condition=True)

    def _constant(self, node: ast.Constant | ast.JoinedStr, place: str) -> Iterator[Mutant]:
        if isinstance(node, ast.JoinedStr) or isinstance(node.value, str):
            yield from self._words(node, place)
            return
        match node.value:
            case bool():
                yield self._replaced(place, node, str(not node.value))
            case int() | float():
                yield self._replaced(place, node, repr(node.value + 1))
            case _:
                pass  # None, ..., bytes

    def _words(self, node: ast.Constant | ast.JoinedStr, place: str) -> Iterator[Mutant]:
        """Something at the end of a text, whichever quotes it has."""
        text = self._text(node)
        quotes = next((each for each in ('"""', "'''", '"', "'") if text.endswith(each)), None)
        if quotes and not text.startswith(("b", "B")):
            changed = f"{text.removesuffix(quotes)}-x{quotes}"
            if isinstance(node, ast.Constant) and node.value == "":
                changed = '"x"'
            yield self._replaced(place, node, changed)

    def _another_attribute(self, node: ast.Attribute, place: str) -> Iterator[Mutant]:
        """A wire in another hole: `network.private_subnet_ids` for `network.database_subnet_ids`, `queue.arn` for
        `dead.arn`. What is of one kind has the last word of its name in common."""
        base = ast.unparse(node.value)
        kind = node.attr.rpartition("_")[2]
        others = [each for each in self._attributes.get(base, ()) if each != node.attr]
        same = [each for each in others if each.rpartition("_")[2] == kind]
        if same:
            yield self._replaced(place, node, f"{self._text(node.value)}.{same[0]}")
        if isinstance(node.value, ast.Name):
            holders = [
                other
                for other, held in self._attributes.items()
                if other != base and other.isidentifier() and node.attr in held and other not in ("self", "cls", "args")
            ]
            if holders and base not in ("self", "cls", "args"):
                yield self._replaced(place, node, f"{holders[0]}.{node.attr}")

    def _keywords(self, node: ast.Call, place: str) -> Iterator[Mutant]:
        arguments: list[ast.expr | ast.keyword] = [*node.args, *node.keywords]
        arguments.sort(key=self._start)
        for index, argument in enumerate(arguments):
            if isinstance(argument, ast.keyword | ast.Starred):
                yield self._without(arguments, index, place)

    def _dropped(self, elements: Sequence[ast.expr], place: str) -> Iterator[Mutant]:
        for index in range(len(elements)):
            yield self._without(elements, index, place)

    def _without(self, elements: Sequence[ast.expr | ast.keyword], index: int, place: str) -> Mutant:
        spans = [(self._start(each), self._end(each)) for each in elements]
        return self._cut(spans, index, place)

    def _pairs(self, node: ast.Dict, place: str) -> Iterator[Mutant]:
        spans = []
        for key, value in zip(node.keys, node.values, strict=True):
            begin = self._start(key) if key else self._source.rindex(b"**", 0, self._start(value))
            spans.append((begin, self._end(value)))
        for index in range(len(spans)):
            yield self._cut(spans, index, place)

    def _cut(self, spans: Sequence[tuple[int, int]], index: int, place: str) -> Mutant:
        start, end = spans[index]
        change = f"drop {self._source[start:end].decode()}"
        following = dict(pairwise(spans)).get(spans[index])
        if following:
            end = following[0]
        else:
            comma = TRAILING_COMMA.match(self._source, end)
            end = comma.end() if comma else end
        return self._mutant(place, change, start, end, "")


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


def _said(node: ast.expr) -> bool:
    """Whether it is a message to people."""
    if not isinstance(node, ast.Call):
        return False
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in SAID_TO_PEOPLE or name.endswith("Error")
    return False


def _is_text(node: ast.BinOp) -> bool:
    return any(
        isinstance(each, ast.JoinedStr) or (isinstance(each, ast.Constant) and isinstance(each.value, str))
        for each in (node.left, node.right)
    )


def _is_of_the_interpreter(test: ast.expr) -> bool:
    """`if TYPE_CHECKING`, `if __name__ == "__main__"`."""
    return ast.unparse(test) in ("TYPE_CHECKING", "__name__ == '__main__'")
