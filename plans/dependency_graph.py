"""Who waits for whom when a stack is created, from a planned program or from a stack's state."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from plans.planned import PROVIDER, STACK, Plan


@dataclass(frozen=True)
class Node:
    """A resource, or what stands for one."""

    type: str
    name: str
    needs: frozenset[str] = frozenset()
    """Keys of those that have to be there first."""


Graph = Mapping[str, Node]
"""URN -> node."""


class DependencyCycleError(Exception):
    """Resources that wait for each other; the text names them."""


@dataclass(frozen=True)
class _Resource:
    urn: str
    type: str
    name: str
    parent: str
    provider: str
    dependencies: frozenset[str]
    custom: bool


def of_plan(plan: Plan) -> Graph:
    return _graph(
        _Resource(
            urn=each.urn,
            type=each.type,
            name=each.name,
            parent=each.parent,
            provider=each.provider,
            dependencies=each.dependencies,
            custom=not each.is_component,
        )
        for each in plan.resources
    )


def of_state(state: Mapping[str, Any]) -> Graph:
    """Of what `pulumi stack export` prints. Resources that wait to be deleted are left out.

    Raises:
        ValueError: when it is no state.
    """
    try:
        resources = state["deployment"]["resources"]
    except (KeyError, TypeError):
        raise ValueError("this is no state: give what `pulumi stack export` prints") from None
    return _graph(
        _Resource(
            urn=each["urn"],
            type=each["type"],
            name=each["urn"].rpartition("::")[2],
            parent=each.get("parent", ""),
            provider=each.get("provider", "").rpartition("::")[0],
            dependencies=_dependencies(each),
            custom=bool(each.get("custom")),
        )
        for each in resources
        if not each.get("delete") and each["type"] != STACK
    )


def _dependencies(resource: Mapping[str, Any]) -> frozenset[str]:
    by_property = (resource.get("propertyDependencies") or {}).values()
    return frozenset(resource.get("dependencies") or ()).union(*(urns or () for urns in by_property))


def _graph(resources: Iterable[_Resource]) -> Graph:
    """A resource waits for its dependencies, its provider, and until its parent is registered; a component is
    registered when what it depends on is there. To depend on a component is to depend on everything in it.

    Raises:
        DependencyCycleError: when resources wait for each other.
    """
    every = {each.urn: each for each in resources}
    children: dict[str, list[str]] = {}
    for each in every.values():
        children.setdefault(each.parent, []).append(each.urn)

    def inside(urn: str) -> set[str]:
        found = {urn}
        for child in children.get(urn, ()) if not every[urn].custom else ():
            found |= inside(child)
        return found

    def needs(resource: _Resource) -> frozenset[str]:
        waited = {urn for dependency in resource.dependencies if dependency in every for urn in inside(dependency)}
        return frozenset((waited | {resource.parent, resource.provider}) & every.keys())

    graph = {urn: Node(each.type, each.name, needs(each)) for urn, each in every.items()}
    in_order(graph)
    return graph


def in_order(graph: Graph) -> list[str]:
    """Every key after those that it needs.

    Raises:
        DependencyCycleError: when resources wait for each other.
    """
    try:
        return list(TopologicalSorter({key: sorted(node.needs) for key, node in graph.items()}).static_order())
    except CycleError as error:
        names = " -> ".join(f"{graph[key].type} {graph[key].name}" for key in error.args[1])
        raise DependencyCycleError(f"these wait for each other: {names}") from None


def is_instant(kind: str) -> bool:
    """Whether a type takes no time of its own: components and providers."""
    return kind.startswith(("shop:", PROVIDER))
