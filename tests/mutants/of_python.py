"""Mutants of a Python file, from its syntax tree."""

import ast
from collections.abc import Iterator, Sequence

from tests.mutants.mutant import Mutant
from tests.mutants.of_expressions import Expressions, is_said

NO_MORE = "yield from ()"
"""For a `yield` that is dropped: what has no other one yields nothing."""
Function = ast.FunctionDef | ast.AsyncFunctionDef


def mutants(file: str, source: bytes) -> Iterator[Mutant]:
    """In the order of the file. A few are no other program: `is_another` tells."""
    seen = set()
    for mutant in sorted(_Statements(file, source).found(), key=lambda each: (each.start, each.end)):
        changed = mutant.start, mutant.end, mutant.replacement
        if changed not in seen:
            seen.add(changed)
            yield mutant


def is_another(mutant: Mutant, source: bytes) -> bool:
    """Whether it is a program, and not the same one."""
    try:
        return ast.dump(ast.parse(mutant.of(source))) != ast.dump(ast.parse(source))
    except SyntaxError:
        return False


class _Statements(Expressions):
    def found(self) -> Iterator[Mutant]:
        return self._block(self.tree.body, "")

    def _block(self, statements: Sequence[ast.stmt], place: str, last: bool = False) -> Iterator[Mutant]:
        """`last`: nothing follows it in its function."""
        for index, statement in enumerate(statements):
            if index == 0 and isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                continue  # a docstring
            yield from self._statement(statement, place, last and index == len(statements) - 1)

    def _statement(self, node: ast.stmt, place: str, last: bool) -> Iterator[Mutant]:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield from self._function(node, place)
            case ast.ClassDef():
                yield from self._block(node.body, f"{place}.{node.name}".lstrip("."))
            case ast.Import() | ast.ImportFrom() | ast.Pass() | ast.Global() | ast.Expr(value=ast.Constant()):
                pass  # the last is the description of an attribute above it
            case ast.If() if _is_of_the_interpreter(node.test):
                pass
            case ast.Raise():
                if node.exc and not last:
                    yield self.dropped(place, node)
            case ast.Expr(value=ast.Yield() | ast.YieldFrom()):
                yield self.dropped(place, node, NO_MORE)
                yield from self._children(node, place, last)
            case _:
                if _may_be_dropped(node, last):
                    yield self.dropped(place, node)
                if isinstance(node, ast.AnnAssign):
                    yield from self._annotation(node.annotation, place)
                yield from self._children(node, place, last)

    def _children(self, node: ast.stmt, place: str, last: bool) -> Iterator[Mutant]:
        last = last and not isinstance(node, ast.For | ast.AsyncFor | ast.While)
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "target", "targets", "type_comment"):
                continue
            children = value if isinstance(value, list) else [value]
            for child in children:
                condition = name == "test" and isinstance(node, ast.If | ast.While | ast.Assert)
                yield from self._child(child, place, condition, last and child is children[-1])

    def _child(self, child: object, place: str, condition: bool, last: bool) -> Iterator[Mutant]:
        match child:
            case ast.stmt():
                yield from self._statement(child, place, last)
            case ast.expr():
                yield from self.expression(child, place, condition)
            case ast.ExceptHandler():
                yield from self._block(child.body, place)
            case ast.withitem():
                yield from self.expression(child.context_expr, place)
            case ast.match_case():
                for each in ast.walk(child.pattern):
                    if isinstance(each, ast.MatchValue):
                        yield from self.expression(each.value, place)
                if child.guard:
                    yield from self.expression(child.guard, place, condition=True)
                yield from self._block(child.body, place, last)

    def _function(self, node: Function, place: str) -> Iterator[Mutant]:
        inside = f"{place}.{node.name}".lstrip(".")
        for decorator in node.decorator_list:
            if "validator" in ast.unparse(decorator):
                at = self.source.rindex(b"@", 0, self.start(decorator))
                yield self.mutant(inside, f"drop @{self.text(decorator)}", at, self.end(decorator), "")
        defaults = [*node.args.defaults, *(each for each in node.args.kw_defaults if each)]
        for default in defaults:
            yield from self.expression(default, inside)
        yield from self._block(node.body, inside, last=True)

    def _annotation(self, node: ast.expr, place: str) -> Iterator[Mutant]:
        """Of a type only what is checked when the program runs: bounds, patterns, allowed words."""
        for each in ast.walk(node):
            match each:
                case ast.Call():
                    yield from self.expression(each, place)
                case ast.Subscript(value=ast.Name(id="Literal"), slice=ast.Tuple(elts=words)):
                    yield from self.elements(words, place)


def _may_be_dropped(node: ast.stmt, last: bool) -> bool:
    """Whether the rest may run without it."""
    match node:
        case ast.Expr(value=ast.Call() | ast.Await()):
            return not is_said(node.value)
        case ast.Return():
            return not last
        case ast.AugAssign() | ast.Continue() | ast.Break() | ast.Delete():
            return True
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            return True
    return False


def _is_of_the_interpreter(test: ast.expr) -> bool:
    """`if TYPE_CHECKING`, `if __name__ == "__main__"`."""
    return ast.unparse(test) in ("TYPE_CHECKING", "__name__ == '__main__'")
