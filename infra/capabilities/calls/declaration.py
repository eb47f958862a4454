"""`calls`: services that this one asks, and waits for."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, ClassVar, TypeVar

from pydantic import Field

from infra import contract
from infra.declaration.declaration import Declaration, ServiceName, repeated
from infra.declaration.draft import Draft
from infra.declaration.problems import Problem, instead

S = TypeVar("S", bound="CallsDeclaration")


class CallsDeclaration(Declaration):
    calls: Annotated[tuple[ServiceName, ...], Field(strict=False)] = ()

    EXAMPLES: ClassVar[Mapping[str, str]] = {"calls": "pricing"}
    REMEDIES: ClassVar[Mapping[str, str]] = {
        "calls": "is no name of a service: lower-case letters, digits and single hyphens, starting with a letter"
    }

    @classmethod
    def check(cls, drafts: Sequence[Draft]) -> Iterator[Problem]:
        yield from repeated(drafts, "calls")
        yield from _callees(drafts)
        yield from _cycles(drafts)

    @classmethod
    def name_taken(cls, name: str, draft: Draft) -> str | None:
        """Any service may be called one day."""
        if own := contract.variables_beside(name):
            caller = f"who calls it finds it by {contract.url_variable(name)}, among its own {', '.join(own)}"
            return f"is taken: {caller}; choose another"
        return None


def callers(name: str, services: Iterable[CallsDeclaration]) -> list[str]:
    """The services that call the one of this name."""
    return [each.name for each in services if name in each.calls]


def in_call_order(services: Mapping[str, S]) -> list[S]:
    """Every service after the services that it calls."""
    ordered: dict[str, S] = {}

    def add(spec: S) -> None:
        for callee in spec.calls:
            add(services[callee])
        ordered.setdefault(spec.name, spec)

    for spec in services.values():
        add(spec)
    return list(ordered.values())


def _callees(drafts: Sequence[Draft]) -> Iterator[Problem]:
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
