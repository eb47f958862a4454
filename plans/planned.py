"""Runs a program on Pulumi's mocks and gives back every resource that it would register, and what depends on what.

Neither an account nor a CLI is needed. Tests look at the plan, and so do the tools that price it, render it or look
for its longest chain. The program runs to its end with every output resolved: what a cloud would answer is made up
here, in the shape that it has there. A package that no answer is known for fails the run.
"""

import asyncio
import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from unittest.mock import patch

import pulumi
from google.protobuf.json_format import MessageToDict
from pulumi.runtime import MockCallArgs, MockResourceArgs, Mocks, rpc, set_mocks
from pulumi.runtime.mocks import MockMonitor
from pulumi.runtime.proto import source_pb2

from plans import made_up

STACK = "pulumi:pulumi:Stack"
PROVIDER = "pulumi:providers:"

Answer = Callable[[str, str, dict[str, Any]], Mapping[str, Any]]
"""Type, name and inputs of a resource -> the outputs that are not inputs; `id` among them where it matters."""
Call = Callable[[str, dict[str, Any]], Mapping[str, Any]]
"""Token and arguments of a function -> its result."""


@dataclass(frozen=True)
class Planned:
    """One resource, with its inputs as the engine gets them (camelCase, whole numbers as int, secrets unwrapped)."""

    urn: str
    type: str
    name: str
    inputs: dict[str, Any]
    parent: str = ""
    provider: str = ""
    """URN of the provider, where one was named."""
    dependencies: frozenset[str] = frozenset()
    """URNs that it waits for by itself: named ones, and those whose outputs are among its inputs."""
    secrets: frozenset[str] = frozenset()
    """Top-level inputs that hold a secret."""
    protect: bool = False
    ignores: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    """What else was asked of the engine, by its names: aliases, retainOnDelete, customTimeouts, importId..."""

    @property
    def is_component(self) -> bool:
        return self.type.startswith("shop:")


@dataclass(frozen=True)
class Called:
    """A look-up: a function that a program asks a provider for."""

    token: str
    """`aws:index/getAvailabilityZones:getAvailabilityZones`"""
    arguments: dict[str, Any]
    provider: str
    """URN of the provider; empty for the default one of the package."""


@dataclass
class Plan:
    """What a program registers. Ordered by URN, as it has no other order that means anything."""

    resources: list[Planned] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    calls: list[Called] = field(default_factory=list)
    registered_outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """URN of a component -> the outputs that it registers."""

    @cached_property
    def by_urn(self) -> dict[str, Planned]:
        return {each.urn: each for each in self.resources}

    def of_type(self, kind: str) -> list[Planned]:
        """Every resource whose type ends so: `:Queue`, `aws:sqs/queue:Queue`."""
        return [each for each in self.resources if each.type.endswith(kind)]

    def one(self, kind: str, name: str = "") -> Planned:
        """The one resource of this type (its end will do) and name (nothing for the only one)."""
        found = [each for each in self.of_type(kind) if name in ("", each.name)]
        if len(found) != 1:
            there = ", ".join(sorted(each.name for each in self.of_type(kind))) or "none"
            raise LookupError(f"{len(found)} resources {kind} {name}; of this type: {there}")
        return found[0]

    def named(self, kind: str, name: str) -> dict[str, Any]:
        """The inputs of the one resource of this type and name."""
        return self.one(kind, name).inputs

    def needs(self, resource: Planned) -> frozenset[str]:
        """URNs of what has to be there before it: its dependencies, theirs, and its provider with its own."""
        seen: set[str] = set()
        waiting = [resource.urn]
        while waiting:
            each = self.by_urn.get(waiting.pop())
            for urn in (*each.dependencies, each.provider) if each else ():
                if urn and urn not in seen:
                    seen.add(urn)
                    waiting.append(urn)
        return frozenset(seen)

    def registered(self) -> set[tuple[str, str]]:
        """Type and name of every resource but the stack."""
        return {(each.type, each.name) for each in self.resources}


class _Answers(Mocks):
    def __init__(self, answer: Answer, call: Call) -> None:
        self._answer, self._call = answer, call

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        answered = {} if args.typ.startswith("shop:") else dict(self._answer(args.typ, args.name, _plain(args.inputs)))
        return answered.pop("id", f"{args.name}-id"), {**args.inputs, **answered}

    def call(self, args: MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        return dict(self._call(args.token, _plain(args.args))), []


class _Monitor(MockMonitor):
    """Writes down what the mocks are not told: parents, dependencies, options."""

    def __init__(self, mocks: Mocks) -> None:
        super().__init__(mocks)
        self.plan = Plan()

    def RegisterResource(self, request: Any) -> Any:
        response = super().RegisterResource(request)  # type: ignore[no-untyped-call]
        if request.type != STACK:
            inputs = rpc.deserialize_properties(request.object)
            self.plan.resources.append(
                Planned(
                    urn=response.urn,
                    type=request.type,
                    name=request.name,
                    inputs=_plain(inputs),
                    parent=request.parent,
                    provider=request.provider.rpartition("::")[0],
                    dependencies=frozenset(request.dependencies),
                    secrets=frozenset(key for key, value in inputs.items() if rpc.is_rpc_secret(value)),
                    protect=request.protect,
                    ignores=tuple(request.ignoreChanges),
                    options=_options(request),
                )
            )
        return response

    def RegisterResourceOutputs(self, request: Any) -> Any:
        if not request.urn.rpartition("::")[0].endswith(STACK):
            self.plan.registered_outputs[request.urn] = _plain(rpc.deserialize_properties(request.outputs))
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call]

    def Invoke(self, request: Any) -> Any:
        arguments = _plain(rpc.deserialize_properties(request.args))
        self.plan.calls.append(Called(request.tok, arguments, request.provider.rpartition("::")[0]))
        return super().Invoke(request)  # type: ignore[no-untyped-call]


OF_THE_SDK = frozenset(
    {
        *("acceptResources", "acceptSecrets", "accepts_byte_string", "aliasSpecs", "custom", "packageRef"),
        *("pluginChecksums", "pluginDownloadURL", "remote", "sourcePosition", "stackTrace", "parentStackTraceHandle"),
        *("supportsPartialValues", "supportsResultReporting", "version"),
    }
)
"""Fields of a registration that the SDK fills in, the same for all resources of a version."""
SHOWN_ELSEWHERE = frozenset(
    {
        *("type", "name", "parent", "object", "protect", "dependencies", "provider", "providers"),
        *("propertyDependencies", "ignoreChanges"),
    }
)


def _options(request: Any) -> dict[str, Any]:
    """What was asked of the engine beyond the fields of `Planned`: only what somebody has set."""
    asked = {}
    for described, value in request.ListFields():
        if described.name in OF_THE_SDK or described.name in SHOWN_ELSEWHERE:
            continue
        plain = _message(value) if described.message_type else [*value] if _is_list(value) else value
        if plain not in ({}, []):
            asked[described.name] = plain
    return asked


def _message(value: Any) -> Any:
    return [MessageToDict(each) for each in value] if _is_list(value) else MessageToDict(value)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _plain(value: Any) -> Any:
    """Secrets unwrapped, whole numbers as int: protobuf knows only floats."""
    if rpc.is_rpc_secret(value):
        return _plain(value["value"])
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items() if key != "__provider"}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def plan(
    program: Callable[[], None], stack: str = "dev", answer: Answer = made_up.answer, call: Call = made_up.call
) -> Plan:
    """Runs the program to its end and returns what it registered.

    Raises:
        LookupError: for a type or a function that no answer is known for.
        Exception: whatever the program raises.
    """
    monitor = _Monitor(_Answers(answer, call))

    def run() -> None:
        with _closing_event_loops() as new_event_loop:
            loop = new_event_loop()
            asyncio.set_event_loop(loop)
            set_mocks(monitor.mocks, project="shop", stack=stack, preview=False, monitor=monitor)
            exported: dict[str, Any] = {}
            # Without an engine there is no stack to keep exports, and nobody to show the place in the source to.
            with (
                patch("pulumi.export", exported.__setitem__),
                patch("pulumi.runtime.resource._get_stack_trace", source_pb2.StackTrace),
            ):
                pulumi.runtime.test(program)()  # type: ignore[no-untyped-call]
            resolved: Any = pulumi.Output.all(**exported).future()
            monitor.plan.outputs = loop.run_until_complete(resolved)
            loop.run_until_complete(loop.shutdown_default_executor())

    # Every object lives to the end of the run: looking for garbage meanwhile takes a third of the time and finds none.
    collects = gc.isenabled()
    gc.disable()
    try:
        with ThreadPoolExecutor(1) as apart:  # from the event loops of the caller
            apart.submit(run).result()
    finally:
        if collects:
            gc.enable()
    if not monitor.plan.resources:
        raise LookupError("the program registered nothing")
    monitor.plan.resources.sort(key=lambda each: each.urn)
    return monitor.plan


@contextmanager
def _closing_event_loops() -> Iterator[Callable[[], asyncio.AbstractEventLoop]]:
    """Closes every event loop that was made meanwhile: Pulumi makes one in each of its threads and leaves it."""
    made: list[asyncio.AbstractEventLoop] = []
    make = asyncio.new_event_loop

    def remembered() -> asyncio.AbstractEventLoop:
        made.append(make())
        return made[-1]

    try:
        with patch("asyncio.new_event_loop", remembered):
            yield remembered
    finally:
        for loop in made:
            loop.close()
