"""Where in a Python file a change is."""

import ast
from functools import lru_cache

Function = ast.FunctionDef | ast.AsyncFunctionDef


def at_import(source: bytes, position: int) -> bool:
    """Whether the code there runs while the module is imported: outside of functions, or one's default arguments."""
    line = _line(source, position)
    bodies = (node.body for node in ast.walk(_tree(source)) if isinstance(node, Function))
    return not any(_first(body[0]) <= line <= _last(body[-1]) for body in bodies)


def statement(source: bytes, position: int) -> range:
    """Lines of the innermost statement there; of an `if`, a loop and the like, those above its body."""
    line = _line(source, position)
    around = [
        node for node in ast.walk(_tree(source)) if isinstance(node, ast.stmt) and _first(node) <= line <= _last(node)
    ]
    if not around:
        return range(line, line + 1)
    innermost = min(around, key=lambda node: _last(node) - _first(node))
    body = getattr(innermost, "body", None) or getattr(innermost, "cases", None)
    if isinstance(innermost, ast.Match):
        return range(_first(innermost), innermost.subject.lineno + 1)
    return range(_first(innermost), _first(body[0]) if body else _last(innermost) + 1)


@lru_cache
def _tree(source: bytes) -> ast.Module:
    return ast.parse(source)


def _line(source: bytes, position: int) -> int:
    return source.count(b"\n", 0, position) + 1


def _first(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(each.lineno for each in decorators)])


def _last(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno
