"""What can be wrong with a catalogue, said so that the reader knows what to change."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

if TYPE_CHECKING:
    from infra.catalogue import ServiceSpec

RESERVED_NAMES = {
    "chassis": "the shared library",
    "database-bootstrap": "the image that makes databases",
    "otel-collector": "the collector of traces",
}

REMEDIES = {
    "name": "is no DNS label: lower-case letters, digits and single hyphens, starting with a letter",
    "calls": "is no name of a service: lower-case letters, digits and single hyphens, starting with a letter",
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


def problems_of(
    error: ValidationError, file: str, model: type[BaseModel], remedies: Mapping[str, str] = REMEDIES
) -> list[Problem]:
    """pydantic's findings in words that say what would be right. `remedies`: field -> what its pattern means."""
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
                value, remedy = None, "is missing"
            case "string_pattern_mismatch":
                names = [part for part in location if isinstance(part, str)]
                remedy = next((remedies[part] for part in reversed(names) if part in remedies), _lowered(item["msg"]))
            case "value_error":
                value, remedy = None, str(item["ctx"]["error"])
            case _:
                remedy = f"will not do: {_lowered(item['msg'])}"
        found.append(Problem(file, field, value, remedy))
    return found


def _lowered(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


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

    `specs` are the valid files, `documents` all that could be read. References are looked for in all of them: one
    mistake in a file neither hides another one in it, nor is it reported again by everybody who refers to it.
    """
    return [
        *_names(specs),
        *_sources(specs),
        *_subscriptions(documents),
        *_calls(documents),
        *_cycles(specs),
        *_routes(specs),
        *_scopes(documents),
    ]


def _names(specs: Mapping[str, "ServiceSpec"]) -> Iterator[Problem]:
    for file, spec in specs.items():
        if spec.name != _folder(file):
            yield Problem(file, "name", spec.name, f"has to be the name of its folder: `{_folder(file)}`")
        if spec.name in RESERVED_NAMES:
            yield Problem(file, "name", spec.name, f"is taken by {RESERVED_NAMES[spec.name]}: choose another")


def _words(document: Mapping[str, Any], field: str) -> list[str]:
    """The texts that stand in this field, whatever else may be wrong with it."""
    values = document.get(field)
    return [value for value in values if isinstance(value, str)] if isinstance(values, list | dict) else []


def _known_as(file: str, document: Mapping[str, Any]) -> set[str]:
    """A wrong name is one problem, and not another one for everybody who uses the right one."""
    return {str(document.get("name")), _folder(file)}


def _folder(file: str) -> str:
    return file.split("/")[-2]


def _sources(specs: Mapping[str, "ServiceSpec"]) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for file, spec in specs.items():
        for position, event in enumerate(spec.publishes):
            owner = first.setdefault(event, spec.name)
            if owner != spec.name:
                remedy = f"is published by `{owner}` already: an event has one source"
                yield Problem(file, f"publishes[{position}]", event, remedy)


def _subscriptions(documents: Mapping[str, Mapping[str, Any]]) -> Iterator[Problem]:
    published = {event for document in documents.values() for event in _words(document, "publishes")}
    for file, document in documents.items():
        for position, event in enumerate(_words(document, "subscribes")):
            if event not in published:
                remedy = f"is published by no service; {_instead(event, published)}"
                yield Problem(file, f"subscribes[{position}]", event, remedy)


def _calls(documents: Mapping[str, Mapping[str, Any]]) -> Iterator[Problem]:
    known = {name for file, document in documents.items() for name in _known_as(file, document)}
    for file, document in documents.items():
        name = str(document.get("name"))
        for position, callee in enumerate(_words(document, "calls")):
            if callee == name:
                yield Problem(file, f"calls[{position}]", callee, "is the service itself: remove it")
            elif callee not in known:
                remedy = f"is no service; {_instead(callee, known - {name})}"
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


def _scopes(documents: Mapping[str, Mapping[str, Any]]) -> Iterator[Problem]:
    declared = {
        f"{name}/{scope}"
        for file, document in documents.items()
        for name in _known_as(file, document)
        for scope in _words(document, "scopes")
    }
    for file, document in documents.items():
        routes = document.get("routes")
        for position, route in enumerate(routes if isinstance(routes, list) else ()):
            for scope in _words(route, "scopes") if isinstance(route, dict) else ():
                if scope not in declared:
                    remedy = f"is declared by no service; {_instead(scope, declared)}"
                    yield Problem(file, f"routes[{position}].scopes", scope, remedy)
