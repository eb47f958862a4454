"""What a rule is, what it looks at, and how it asks for values that may not be known yet.

Plain data and plain functions: nothing here knows Pulumi. A rule looks at one resource; one that needs its neighbours,
too, says so (`whole_stack`) and finds them in the `Stack`.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final


class Unknown:
    """The class of `UNKNOWN`."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()
"""Stands for a value that the cloud has still to say. A preview is full of them; the update sees them all."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A resource as the engine sees it."""

    type: str
    """As in `aws:sqs/queue:Queue`."""
    name: str
    """The logical name."""
    props: Mapping[str, Any]
    """The inputs in camelCase: dicts, lists, texts, numbers (a whole one may be a float), booleans and `UNKNOWN`."""
    urn: str = ""
    dependencies: frozenset[str] = frozenset()
    """URNs of the resources that it waits for by itself."""
    provider: str = ""
    """URN of the provider that makes it; empty when none was given."""


@dataclass(frozen=True, kw_only=True)
class Stack:
    """What surrounds a resource."""

    name: str
    """`dev`, `staging`, `prod`, ..."""
    public_routes: frozenset[str] = frozenset()
    """Keys (`GET /products`) of the routes that a declaration calls public."""
    resources: tuple[Resource, ...] = ()
    """Every resource; only rules of the whole stack may count on it."""

    @property
    def protected(self) -> bool:
        """Whether its data is people's: what is lost here stays lost."""
        return self.name == "prod"

    @cached_property
    def _dependents(self) -> Mapping[str, list[Resource]]:
        found: dict[str, list[Resource]] = {}
        for each in self.resources:
            for urn in each.dependencies:
                found.setdefault(urn, []).append(each)
        return found

    def dependents(self, resource: Resource, *types: str) -> list[Resource]:
        """The resources of these types that wait for this one: by that they are known to be about it, also while
        its address is not known."""
        return [each for each in self._dependents.get(resource.urn, []) if each.type in types]


@dataclass(frozen=True)
class Violation:
    """One thing that has to change before the stack may."""

    rule: "Rule"
    resource: Resource
    what: str

    def __str__(self) -> str:
        who = f"{self.resource.type} {self.resource.name}"
        return f"{self.rule.name}: {who}: {self.what}. {self.rule.requires} {self.rule.remedy}"


Find = Callable[[Resource, Stack], Iterator[str]]
"""Yields what is wrong with the resource, once for each mistake."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    name: str
    requires: str
    """The sentence that says what has to be so."""
    remedy: str
    """The sentence that says what to do."""
    types: tuple[str, ...]
    """The resource types that it looks at. One that ends in `*` stands for all that begin so."""
    find: Find = field(repr=False)
    whole_stack: bool = False

    def looks_at(self, kind: str) -> bool:
        return any(kind.startswith(each[:-1]) if each.endswith("*") else kind == each for each in self.types)

    def violations(self, resource: Resource, stack: Stack) -> Iterator[Violation]:
        if self.looks_at(resource.type):
            for what in self.find(resource, stack):
                yield Violation(self, resource, what)


def rule(
    name: str, *, requires: str, remedy: str, types: tuple[str, ...], whole_stack: bool = False
) -> Callable[[Find], Rule]:
    """Makes a function the rule of this name. Every rule of a module that `rules` reads is in force."""

    def made(find: Find) -> Rule:
        return Rule(name=name, requires=requires, remedy=remedy, types=types, find=find, whole_stack=whole_stack)

    return made


def at(value: Any, *path: str) -> Any:
    """What stands at the path: None when nothing does, `UNKNOWN` when something on the way is not known."""
    for key in path:
        if not isinstance(value, Mapping):
            return UNKNOWN if value is UNKNOWN else None
        value = value.get(key)
    return value


def may_be(value: Any, *wanted: Any) -> bool:
    """Whether it is one of these, or not known."""
    return value is UNKNOWN or value in wanted


def is_set(value: Any) -> bool:
    """Whether there is something; what is not known will be something."""
    return value not in (None, "", [], {})


def at_least(value: Any, least: float) -> bool:
    """Whether it is a number of at least this size, or not known."""
    return value is UNKNOWN or (isinstance(value, int | float) and value >= least)


def listed(value: Any) -> list[Any]:
    """A list as it is, one value (as IAM allows) as a list, nothing and what is not known as an empty one."""
    if isinstance(value, list):
        return value
    return [] if value is None or value is UNKNOWN else [value]


def document(value: Any) -> Any:
    """The object in a JSON text. `UNKNOWN` stays; a text that is no JSON says nothing (AWS refuses it)."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return None
