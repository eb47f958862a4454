"""What can be wrong with a catalogue, said so that the reader knows what to change."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

if TYPE_CHECKING:
    from infra.catalogue import ServiceSpec

RESERVED_NAMES = {"chassis": "the shared library"}

REMEDIES = {
    "name": "is no DNS label: lower-case letters, digits and hyphens, starting with a letter, at most 30 long",
    "calls": "is no name of a service: lower-case letters, digits and hyphens, starting with a letter",
    "path": "is no path of a route: `/segment/{variable}`, with no slash at the end",
    "publishes": "is no event type: `noun.verb` in lower case, as in `order.placed`",
    "subscribes": "is no event type: `noun.verb` in lower case, as in `order.placed`",
    "scopes": "is no scope: declared as `read`, used as `<service>/read`",
}


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where, what stands there, and what would be right."""

    file: str
    field: str
    value: Any
    remedy: str

    def __str__(self) -> str:
        where = f"{self.file}: {self.field}" if self.field else self.file
        return f"  {where}: `{self.value}` {self.remedy}" if self.value is not None else f"  {where}: {self.remedy}"


def problems_of(error: ValidationError, file: str, model: type[BaseModel]) -> list[Problem]:
    """pydantic's findings in the words of this file."""
    found = []
    for item in error.errors(include_url=False):
        location = [part for part in item["loc"] if part != "[key]"]
        field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
        value = item["input"]
        match item["type"]:
            case "extra_forbidden":
                remedy = f"is no key here; {_instead(str(location[-1]), _keys(model, location[:-1]))}"
                value = location[-1]
            case "missing":
                value, remedy = None, "is missing: every service says it"
            case "string_pattern_mismatch":
                names = [part for part in location if isinstance(part, str)]
                remedy = next((REMEDIES[part] for part in reversed(names) if part in REMEDIES), item["msg"])
            case "value_error":
                value, remedy = None, str(item["ctx"]["error"])
            case _:
                remedy = f"will not do: {item['msg'][0].lower()}{item['msg'][1:]}"
        found.append(Problem(file, field, value, remedy))
    return found


def _keys(model: type[BaseModel], location: Iterable[str | int]) -> list[str]:
    fields = model.model_fields
    for part in location:
        if isinstance(part, str) and part in fields:
            inner = next((m for m in _models(fields[part].annotation)), None)
            fields = inner.model_fields if inner else fields
    return list(fields)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models(argument)


def _instead(value: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = difflib.get_close_matches(value, names, n=1)
    return f"did you mean `{close[0]}`?" if close else f"known: {', '.join(names) or 'none'}"


def cross_check(specs: Mapping[str, "ServiceSpec"], documents: Mapping[str, Mapping[str, Any]]) -> list[Problem]:
    """Checks the services against each other.

    `specs` are the valid files, `documents` all that could be read: what an invalid file declares is known too, so
    that one mistake is not reported again by everybody who refers to it.
    """
    return [
        *_names(specs),
        *_events(specs, documents),
        *_calls(specs, documents),
        *_cycles(specs),
        *_routes(specs),
        *_scopes(specs, documents),
    ]


def _names(specs: Mapping[str, "ServiceSpec"]) -> Iterator[Problem]:
    for file, spec in specs.items():
        folder = file.split("/")[-2]
        if spec.name != folder:
            yield Problem(file, "name", spec.name, f"has to be the name of its folder: `{folder}`")
        if spec.name in RESERVED_NAMES:
            yield Problem(file, "name", spec.name, f"is taken by {RESERVED_NAMES[spec.name]}: choose another")


def _declared(documents: Mapping[str, Mapping[str, Any]], field: str) -> dict[str, str]:
    """Event or scope -> the name of the service that declares it, in readable files also when they are invalid."""
    found = {}
    for file, document in documents.items():
        values = document.get(field)
        for value in values if isinstance(values, list | dict) else ():
            found[str(value)] = str(document.get("name", file))
    return found


def _events(specs: Mapping[str, "ServiceSpec"], documents: Mapping[str, Mapping[str, Any]]) -> Iterator[Problem]:
    published = _declared(documents, "publishes")
    first: dict[str, str] = {}
    for file, spec in specs.items():
        for position, event in enumerate(spec.publishes):
            owner = first.setdefault(event, spec.name)
            if owner != spec.name:
                remedy = f"is published by `{owner}` already: an event has one source"
                yield Problem(file, f"publishes[{position}]", event, remedy)
        for position, event in enumerate(spec.subscribes):
            if event not in published:
                remedy = f"is published by no service; {_instead(event, published)}"
                yield Problem(file, f"subscribes[{position}]", event, remedy)


def _calls(specs: Mapping[str, "ServiceSpec"], documents: Mapping[str, Mapping[str, Any]]) -> Iterator[Problem]:
    known = {str(document.get("name")) for document in documents.values()}
    for file, spec in specs.items():
        for position, callee in enumerate(spec.calls):
            if callee == spec.name:
                yield Problem(file, f"calls[{position}]", callee, "is the service itself: remove it")
            elif callee not in known:
                remedy = f"is no service; {_instead(callee, known - {spec.name})}"
                yield Problem(file, f"calls[{position}]", callee, remedy)


def _cycles(specs: Mapping[str, "ServiceSpec"]) -> Iterator[Problem]:
    calls = {spec.name: [callee for callee in spec.calls if callee != spec.name] for spec in specs.values()}
    files = {spec.name: file for file, spec in specs.items()}
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


def _routes(specs: Mapping[str, "ServiceSpec"]) -> Iterator[Problem]:
    taken: dict[str, str] = {}
    for file, spec in specs.items():
        for position, route in enumerate(spec.routes):
            shape = f"{route.method} {re.sub(r'{[^}+]*', '{', route.path)}"
            owner = taken.setdefault(shape, f"`{spec.name}`")
            if owner != f"`{spec.name}`" or _shapes(spec).count(shape) > 1:
                remedy = f"is a route of {owner} already (the name of a variable makes no difference): change one"
                yield Problem(file, f"routes[{position}]", route.key, remedy)


def _shapes(spec: "ServiceSpec") -> list[str]:
    return [f"{route.method} {re.sub(r'{[^}+]*', '{', route.path)}" for route in spec.routes]


def _scopes(specs: Mapping[str, "ServiceSpec"], documents: Mapping[str, Mapping[str, Any]]) -> Iterator[Problem]:
    declared = {
        f"{document.get('name')}/{scope}"
        for document in documents.values()
        if isinstance(document.get("scopes"), dict)
        for scope in document["scopes"]
    }
    for file, spec in specs.items():
        for position, route in enumerate(spec.routes):
            for scope in route.scopes:
                if scope not in declared:
                    remedy = f"is declared by no service; {_instead(scope, declared)}"
                    yield Problem(file, f"routes[{position}].scopes", scope, remedy)
