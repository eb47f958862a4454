"""What a rule is tried on: a sentence, resources, and the mistakes that it has to find."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from infra.policies.model import Resource

Kind = Literal["passes", "violates", "is another type"]
REMOVED = object()
PROVIDER = "urn:pulumi:dev::shop::pulumi:providers:aws::aws"


@dataclass(frozen=True)
class Case:
    rule: str
    kind: Kind
    sentence: str
    resources: tuple[Resource, ...]
    finds: tuple[str, ...] = ()
    """Every mistake in the words of the rule, in its order."""
    stack: str = "dev"
    public_routes: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return f"{self.rule} {self.kind}: {self.sentence}"


def resource(kind: str, props: Mapping[str, Any], name: str = "it", needs: tuple[Resource, ...] = ()) -> Resource:
    """A resource made by a named provider, that waits for `needs`."""
    urn = f"urn:pulumi:dev::shop::{kind}::{name}"
    dependencies = frozenset(each.urn for each in needs)
    return Resource(type=kind, name=name, props=props, urn=urn, dependencies=dependencies, provider=PROVIDER)


def passes(rule: str, sentence: str, *resources: Resource, stack: str = "dev", public: str = "") -> Case:
    return Case(rule, "passes", sentence, resources, stack=stack, public_routes=frozenset({public} - {""}))


def violates(
    rule: str, sentence: str, *resources: Resource, finds: tuple[str, ...], stack: str = "dev", public: str = ""
) -> Case:
    return Case(rule, "violates", sentence, resources, finds, stack, frozenset({public} - {""}))


def other(rule: str, sentence: str, *resources: Resource, stack: str = "dev") -> Case:
    return Case(rule, "is another type", sentence, resources, stack=stack)


def but(props: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """The same with other values; `spec__containers__0__image=...` goes deep, `REMOVED` takes a value out."""
    changed = copy.deepcopy(dict(props))
    for path, value in changes.items():
        *above, last = path.split("__")
        place: Any = changed
        for key in above:
            place = place[int(key)] if isinstance(place, list) else place.setdefault(key, {})
        if value is REMOVED:
            del place[last]
        else:
            place[last] = value
    return changed
