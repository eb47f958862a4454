"""The URNs of a plan, and those by which the engine would find its resources in the state of an older one."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from plans.planned import Plan, Planned, plan
from plans.programs import program

RELEASED = Path(__file__).parent / "released"
STACKS = ("dev", "prod")


def planned(stack: str) -> Plan:
    return plan(program(stack), stack)


def made(found: Plan) -> list[str]:
    """The URNs of all that is more than a component, sorted."""
    return sorted(each.urn for each in found.resources if not each.is_component)


def file(version: str, stack: str) -> Path:
    return RELEASED / version / f"{stack}.txt"


def released() -> list[tuple[str, str]]:
    """Version and stack of every file."""
    return [(each.parent.name, each.stem) for each in sorted(RELEASED.glob("*/*.txt"))]


def known(found: Plan) -> set[str]:
    """Every URN by which a resource of the plan is found: its own, and those that its aliases and its parents' name."""
    urns: dict[str, list[str]] = {}

    def of(resource: Planned) -> list[str]:
        if resource.urn not in urns:
            parent = found.by_urn.get(resource.parent)
            parents = of(parent) if parent else [resource.parent]
            urns[resource.urn] = list(dict.fromkeys([resource.urn, *_former(resource, parents)]))
        return urns[resource.urn]

    return {urn for each in found.resources for urn in of(each)}


def _former(resource: Planned, parents: list[str]) -> Iterator[str]:
    """As the engine has it (pkg/resource/deploy, generateAliases). `parents`: the URNs of its parent, today's first."""
    for alias in resource.options.get("aliases", ()):
        if "urn" in alias:
            yield str(alias["urn"])
        else:
            yield from _by(resource, parents, alias.get("spec", {}))
    yield from _by(resource, parents, {})


def _by(resource: Planned, parents: list[str], spec: Mapping[str, Any]) -> Iterator[str]:
    name, kind = str(spec.get("name", resource.name)), str(spec.get("type", resource.type))
    start, _, _ = resource.urn.rpartition("::")[0].rpartition("::")  # urn:pulumi:<stack>::<project>
    if spec.get("noParent"):
        yield f"{start}::{kind}::{name}"
        return
    if "parentUrn" in spec:
        yield f"{start}::{_qualified(str(spec['parentUrn']), kind)}::{name}"
        return
    today = _name(parents[0])
    for parent in parents:
        # A child that has its parent's name before its own had that of the former parent.
        inherited = _name(parent) + name.removeprefix(today) if today and name.startswith(today) else name
        yield f"{start}::{_qualified(parent, kind)}::{inherited}"


def _qualified(parent: str, kind: str) -> str:
    types = parent.rpartition("::")[0].rpartition("::")[2]
    return kind if types in ("", "pulumi:pulumi:Stack") else f"{types}${kind}"


def _name(urn: str) -> str:
    return urn.rpartition("::")[2]
