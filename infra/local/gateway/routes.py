"""Which route a request takes, by the rules of an HTTP API.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html#http-api-develop-routes.evaluation
"""

import re
from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")

ANY = "ANY"
# What ANY stands for: the documented methods of an HTTP API.
METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})

_VARIABLE = re.compile(r"\{[A-Za-z0-9._-]+\}")
_GREEDY = re.compile(r"\{[A-Za-z0-9._-]+\+\}")
_LITERAL = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@%-]*")


class RouteTable(Generic[T]):
    """Values by method and path, as in API Gateway: `("GET", "/orders/{id}", value)`.

    Paths are compared as they were sent: with percent-encoding, case and a trailing slash.
    """

    def __init__(self, routes: Iterable[tuple[str, str, T]]) -> None:
        best_first = sorted(routes, key=lambda route: (_rank(route[1]), route[0] == ANY))
        self._by_method = {
            method: [(_pattern(path), value) for of, path, value in best_first if of in (method, ANY)]
            for method in METHODS
        }

    def match(self, method: str, path: str) -> T | None:
        """The value of the most specific route for this method and path, or None."""
        for pattern, value in self._by_method.get(method, ()):
            if pattern.fullmatch(path):
                return value
        return None


def segments(path: str) -> list[str]:
    """The parts of a route's path between slashes; raises ValueError when it is none."""
    if not path.startswith("/"):
        raise ValueError(f"{path!r} must begin with a slash")
    parts = path[1:].split("/")
    for part in parts:
        if not any(form.fullmatch(part) for form in (_LITERAL, _VARIABLE, _GREEDY)):
            raise ValueError(f"{part!r} in {path!r} is neither a literal nor a {{variable}} nor a {{greedy+}} variable")
    if any(_GREEDY.fullmatch(part) for part in parts[:-1]):
        raise ValueError(f"{path!r} has a greedy variable that is not at its end")
    return parts


def shape(path: str) -> str:
    """The path without the names of its variables: two paths of one shape match the same requests."""
    return "/" + "/".join(_GREEDY.sub("{+}", _VARIABLE.sub("{}", part)) for part in segments(path))


def _rank(path: str) -> tuple[bool, list[int]]:
    """Sorts the most specific path first.

    AWS: a full match beats a greedy one. Among those, the leftmost difference decides: literal, variable, greedy.
    """
    kinds = [2 if _GREEDY.fullmatch(part) else 1 if _VARIABLE.fullmatch(part) else 0 for part in segments(path)]
    return 2 in kinds, kinds


def _pattern(path: str) -> re.Pattern[str]:
    def form(part: str) -> str:
        if _GREEDY.fullmatch(part):
            return ".+"
        return "[^/]+" if _VARIABLE.fullmatch(part) else re.escape(part)

    return re.compile("/" + "/".join(map(form, segments(path))))
