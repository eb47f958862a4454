"""`routes` and `scopes`: what people reach through the gateway, and what a token has to allow for it."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, StringConstraints

from infra.capabilities.routes import paths
from infra.contract import DEFAULT_BURST, DEFAULT_RATE_PER_SECOND, SCOPES_PER_ROUTE
from infra.declaration.declaration import Declaration, Model, repeated_texts
from infra.declaration.draft import Draft, texts
from infra.declaration.problems import Problem, instead

SCOPE_NAME = r"^[a-z][a-z0-9-]*$"
Scope = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*/[a-z][a-z0-9-]*$")]


class Throttle(Model):
    """A token bucket at the gateway, for all callers of one route together."""

    rate_per_second: Annotated[int, Field(ge=1, le=10_000)] = DEFAULT_RATE_PER_SECOND
    burst: Annotated[int, Field(ge=1, le=5_000)] = DEFAULT_BURST


class Route(Model):
    """One route of the gateway. It needs one of its scopes, or says that anybody may call it."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: Annotated[str, AfterValidator(paths.checked), Field(json_schema_extra={"pattern": paths.PATTERN})]
    scopes: Annotated[tuple[Scope, ...], Field(strict=False, max_length=SCOPES_PER_ROUTE)] = ()
    public: bool = False
    throttle: Throttle = Throttle()

    @property
    def key(self) -> str:
        return f"{self.method} {self.path}"


class RoutesDeclaration(Declaration):
    scopes: dict[Annotated[str, StringConstraints(pattern=SCOPE_NAME)], str] = {}
    """What a token may allow at this service: name -> what the person is asked to agree to."""
    routes: Annotated[tuple[Route, ...], Field(strict=False)] = ()

    EXAMPLES: ClassVar[Mapping[str, str]] = {
        "scopes": "{read: Read your orders}",
        "routes": '{method: GET, path: "/orders/{id}", scopes: [orders/read]}',
        "routes.method": "GET",
        "routes.path": '"/orders/{id}"',
        "routes.scopes": "orders/read",
        "routes.public": "true",
        "routes.throttle": "{rate_per_second: 100, burst: 200}",
    }
    REMEDIES: ClassVar[Mapping[str, str]] = {"scopes": "is no scope: declared as `read`, used as `<service>/read`"}

    @classmethod
    def check(cls, drafts: Sequence[Draft]) -> Iterator[Problem]:
        yield from _open_or_scoped(drafts)
        yield from _shapes(drafts)
        yield from _scopes(drafts)


def scopes(services: Iterable[RoutesDeclaration]) -> list[str]:
    """Every scope as it stands in a token: `orders/read`."""
    return [f"{spec.name}/{scope}" for spec in services for scope in spec.scopes]


def _routes(draft: Draft) -> list[tuple[str, Mapping[str, Any]]]:
    """Each route, and where it stands."""
    routes = draft.field("routes")
    return [
        (f"routes[{position}]", route)
        for position, route in enumerate(routes if isinstance(routes, list) else [routes])
        if isinstance(route, dict)
    ]


def _open_or_scoped(drafts: Sequence[Draft]) -> Iterator[Problem]:
    for draft in drafts:
        for place, route in _routes(draft):
            public, needed = route.get("public", False), route.get("scopes")
            if isinstance(public, bool) and public == bool(needed):
                remedy = "has to name `scopes` that a caller needs, or say `public: true`; one of the two"
                yield Problem(draft.file, place, None, remedy)
            yield from repeated_texts(draft.file, texts(f"{place}.scopes", needed))


def _shapes(drafts: Sequence[Draft]) -> Iterator[Problem]:
    """A gateway has one route of a shape: `/orders/{id}` and `/orders/{order}` match the same requests."""
    taken: dict[str, Draft] = {}
    for draft in drafts:
        for place, route in _routes(draft):
            method, path = route.get("method"), route.get("path")
            if not isinstance(method, str) or not isinstance(path, str):
                continue
            shape = f"{method} {re.sub(r'{[^}+]*', '{', path)}"
            if shape in taken:
                owner = f"is a route of `{taken[shape].name}` already"
                remedy = f"{owner} (the name of a variable makes no difference): change one"
                yield Problem(draft.file, place, f"{method} {path}", remedy)
            taken.setdefault(shape, draft)


def _scopes(drafts: Sequence[Draft]) -> Iterator[Problem]:
    declared = {f"{name}/{scope}" for draft in drafts for name in draft.names for _, scope in draft.texts("scopes")}
    unread = {draft.folder for draft in drafts if draft.document is None}
    for draft in drafts:
        for place, route in _routes(draft):
            for _, scope in texts("", route.get("scopes")):
                if scope not in declared and scope.partition("/")[0] not in unread:
                    remedy = f"is declared by no service; {instead(scope, sorted(declared))}"
                    yield Problem(draft.file, f"{place}.scopes", scope, remedy)
