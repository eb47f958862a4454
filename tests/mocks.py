"""Runs a program on Pulumi's mocks and gives back every resource that it registered.

Nothing is asserted while the program runs: an assertion inside `apply` may never run and pass in silence. The program
runs to its end, then the test looks at what was recorded. A type that no answer is known for fails the run.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import pulumi
from pulumi.runtime import MockCallArgs, MockResourceArgs, Mocks, set_mocks

DYNAMIC = "pulumi-python:dynamic/local:"


@dataclass(frozen=True)
class Recorded:
    """One registered resource, with its inputs as the engine gets them."""

    type: str
    name: str
    inputs: dict[str, Any]


@dataclass
class Recording(Mocks):
    resources: list[Recorded] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    _ports: int = 20_000

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        inputs = {key: _plain(value) for key, value in args.inputs.items() if key != "__provider"}
        self.resources.append(Recorded(args.typ, args.name, inputs))
        return f"{args.name}-id", {**args.inputs, **self._answer(args.typ, args.name)}

    def call(self, args: MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"unexpected call of {args.token}")

    def named(self, kind: str, name: str) -> dict[str, Any]:
        """The inputs of the one resource of this type and name."""
        found = [each.inputs for each in self.resources if each.type.endswith(kind) and each.name == name]
        assert len(found) == 1, f"{len(found)} resources {kind} {name}"
        return found[0]

    def registered(self) -> set[tuple[str, str]]:
        """Type (without what all share) and name of every resource but the stack."""
        return {(each.type.removeprefix(DYNAMIC), each.name) for each in self.resources}

    def _answer(self, kind: str, name: str) -> dict[str, Any]:
        if kind.startswith("shop:"):
            return {}
        match kind.removeprefix(DYNAMIC):
            case "Port":
                self._ports += 1
                return {"number": self._ports}
            case "Database":
                return {"password": f"password of {name}"}
            case "Topic" | "Subscription":
                return {"arn": f"arn:{name}"}
            case "Queue":
                return {"arn": f"arn:{name}", "url": f"url:{name}"}
            case "UserPool":
                return {"pool_id": "pool"}
            case "AppClient":
                return {"client_id": "client"}
            case "Supervisor" | "PostgresCluster" | "Process" | "Job" | "Scopes":
                return {}
        raise AssertionError(f"unexpected resource {kind} {name}")


def _plain(value: Any) -> Any:
    """A secret as its value: the mocks hand it over wrapped."""
    if isinstance(value, dict) and "value" in value and len(value) == 2:
        return value["value"]
    return json.loads(value) if isinstance(value, str) and value.startswith("{") else value


def record(program: Callable[[], None], stack: str = "local") -> Recording:
    """Runs the program to its end, every output resolved."""
    recording = Recording()

    def run() -> None:
        with _closing_event_loops() as new_event_loop:
            loop = new_event_loop()
            asyncio.set_event_loop(loop)
            set_mocks(recording, project="shop", stack=stack, preview=False)
            finished = pulumi.runtime.test(program)  # type: ignore[no-untyped-call]
            finished()
            loop.run_until_complete(loop.shutdown_default_executor())

    with ThreadPoolExecutor(1) as apart:  # from the event loops of other tests
        apart.submit(run).result()
    assert recording.resources, "the program registered nothing"
    return recording


@contextmanager
def _closing_event_loops() -> Iterator[Callable[[], asyncio.AbstractEventLoop]]:
    """Closes every event loop that was made meanwhile: Pulumi makes one in each of its threads and leaves it."""
    made: list[asyncio.AbstractEventLoop] = []
    make = asyncio.new_event_loop

    def remembered() -> asyncio.AbstractEventLoop:
        made.append(make())
        return made[-1]

    with patch("asyncio.new_event_loop", remembered):
        yield remembered
    for loop in made:
        loop.close()
