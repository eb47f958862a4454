"""What has to fit together, within a declaration and among all of them.

Every check looks at what can be read, whatever else is wrong with the file: no mistake hides another one, and none is
reported again by everybody who refers to it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from infra import service_names
from infra.catalogue_checks import Problem, instead


@dataclass(frozen=True)
class Draft:
    """One declaration as it was read: any field may be missing, or hold what it should not."""

    file: str
    """services/<folder>/service.yaml"""
    document: Mapping[str, Any] | None
    """None: the file could not be read."""

    @property
    def folder(self) -> str:
        return self.file.split("/")[-2]

    @cached_property
    def names(self) -> set[str]:
        """What others may call it: a wrong name is one problem, and not another one for whoever uses the right one."""
        return {self.folder, *(text for _, text in self.texts("name"))}

    @property
    def name(self) -> str:
        return next((text for _, text in self.texts("name")), self.folder)

    def field(self, name: str) -> Any:
        return (self.document or {}).get(name)

    def texts(self, field: str) -> list[tuple[str, str]]:
        """Each text in this field, and where it stands."""
        return _texts(field, self.field(field))

    @property
    def engine(self) -> Any:
        """Of its database, also where it stands in the place of the mapping."""
        database = self.field("database")
        return database.get("engine") if isinstance(database, dict) else database

    @property
    def routes(self) -> list[tuple[str, Mapping[str, Any]]]:
        """Each route, and where it stands."""
        routes = self.field("routes")
        return [
            (f"routes[{position}]", route)
            for position, route in enumerate(routes if isinstance(routes, list) else [routes])
            if isinstance(route, dict)
        ]


def _texts(place: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, str):
        return [(place, value)]
    if isinstance(value, dict):
        return [(f"{place}.{key}", key) for key in value]
    entries = enumerate(value if isinstance(value, list) else ())
    return [(f"{place}[{position}]", each) for position, each in entries if isinstance(each, str)]


def cross_check(drafts: Sequence[Draft]) -> list[Problem]:
    """All that does not fit together."""
    return [
        *_names(drafts),
        *_own(drafts),
        *_twice(drafts),
        *_sources(drafts),
        *_subscriptions(drafts),
        *_calls(drafts),
        *_cycles(drafts),
        *_routes(drafts),
        *_scopes(drafts),
    ]


def _names(drafts: Sequence[Draft]) -> Iterator[Problem]:
    folders = {draft.folder for draft in drafts}
    for draft in drafts:
        relational = draft.engine is not None and draft.engine != "dynamodb"
        for place, name in draft.texts("name"):
            if remedy := service_names.taken(name, folders, str(draft.field("language")), relational):
                yield Problem(draft.file, place, name, remedy)
            elif name != draft.folder:
                yield Problem(draft.file, place, name, f"has to be the name of its folder: `{draft.folder}`")


def _own(drafts: Sequence[Draft]) -> Iterator[Problem]:
    """What one field of a declaration asks of another."""
    for draft in drafts:
        database, publishes = draft.field("database"), draft.texts("publishes")
        if database is None and (publishes or draft.texts("subscribes")):
            remedy = "publishes or subscribes without a `database`; outbox and inbox are kept there: declare one"
            yield Problem(draft.file, "", None, remedy)
        if publishes and draft.engine == "dynamodb":
            remedy = (
                "publishes with a `database` of dynamodb; the outbox needs one that is `postgres` or `mysql`: take one"
            )
            yield Problem(draft.file, "", None, remedy)
        if draft.engine == "dynamodb" and "connections" in database:
            remedy = "has `connections`, which dynamodb has none of: leave it out"
            yield Problem(draft.file, "database", None, remedy)
        for place, route in draft.routes:
            public, scopes = route.get("public", False), route.get("scopes")
            if isinstance(public, bool) and public == bool(scopes):
                remedy = "has to name `scopes` that a caller needs, or say `public: true`; one of the two"
                yield Problem(draft.file, place, None, remedy)
        scale = draft.field("scale")
        least, most = (scale.get("min", 2), scale.get("max", 4)) if isinstance(scale, dict) else (1, 1)
        if type(least) is type(most) is int and least > most:
            yield Problem(draft.file, "scale", None, f"has min {least} above max {most}; min is at most max")


def _twice(drafts: Sequence[Draft]) -> Iterator[Problem]:
    for draft in drafts:
        fields = [draft.texts(field) for field in ("publishes", "subscribes", "calls")]
        fields += [_texts(f"{place}.scopes", route.get("scopes")) for place, route in draft.routes]
        for entries in fields:
            texts = [text for _, text in entries]
            for position, (place, text) in enumerate(entries):
                if text in texts[:position]:
                    yield Problem(draft.file, place, text, "stands twice: once is enough")


def _sources(drafts: Sequence[Draft]) -> Iterator[Problem]:
    first: dict[str, Draft] = {}
    for draft in drafts:
        for place, event in draft.texts("publishes"):
            owner = first.setdefault(event, draft)
            if owner is not draft:
                remedy = f"is published by `{owner.name}` already: an event has one source"
                yield Problem(draft.file, place, event, remedy)


def _subscriptions(drafts: Sequence[Draft]) -> Iterator[Problem]:
    if any(draft.document is None for draft in drafts):
        return  # it may be what a file publishes that could not be read
    published = {event for draft in drafts for _, event in draft.texts("publishes")}
    for draft in drafts:
        for place, event in draft.texts("subscribes"):
            if event not in published:
                yield Problem(
                    draft.file, place, event, f"is published by no service; {instead(event, sorted(published))}"
                )


def _calls(drafts: Sequence[Draft]) -> Iterator[Problem]:
    known = {name for draft in drafts for name in draft.names}
    for draft in drafts:
        for place, callee in draft.texts("calls"):
            if callee in draft.names:
                yield Problem(draft.file, place, callee, "is the service itself: remove it")
            elif callee not in known:
                remedy = f"is no service; {instead(callee, sorted(known - draft.names))}"
                yield Problem(draft.file, place, callee, remedy)


def _cycles(drafts: Sequence[Draft]) -> Iterator[Problem]:
    of = {name: draft.folder for draft in drafts for name in draft.names}
    calls = {
        draft.folder: [of[callee] for _, callee in draft.texts("calls") if callee in of and callee not in draft.names]
        for draft in drafts
    }
    files = {draft.folder: draft.file for draft in drafts}
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> Iterator[Problem]:
        if name in path:
            cycle = " -> ".join([*path[path.index(name) :], name])
            remedy = "is a cycle of synchronous calls: replace one of them by an event"
            yield Problem(files[path[-1]], "calls", cycle, remedy)
        elif name not in done:
            for callee in calls.get(name, ()):
                yield from walk(callee, [*path, name])
            done.add(name)

    for name in sorted(calls):
        yield from walk(name, [])


def _routes(drafts: Sequence[Draft]) -> Iterator[Problem]:
    """A gateway has one route of a shape: `/orders/{id}` and `/orders/{order}` match the same requests."""
    taken: dict[str, Draft] = {}
    for draft in drafts:
        for place, route in draft.routes:
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
        for place, route in draft.routes:
            for _, scope in _texts("", route.get("scopes")):
                if scope not in declared and scope.partition("/")[0] not in unread:
                    remedy = f"is declared by no service; {instead(scope, sorted(declared))}"
                    yield Problem(draft.file, f"{place}.scopes", scope, remedy)
