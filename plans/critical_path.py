"""The longest chain of a stack's creation: `python -m plans.critical_path dev`, or `--state <exported state>`.

Takes typical durations from plans/durations.yaml and compares the longest chain of dependencies with the chain that
nothing can shorten: network, cluster, node, pod. Ends with status 1 when it is longer by more than 5 per cent.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, model_validator

from infra.command_line import run
from plans.dependency_graph import DependencyCycleError, Graph, Node, in_order, is_instant, of_plan, of_state
from plans.planned import plan

DURATIONS = Path(__file__).with_name("durations.yaml")
ALLOWED_PER_CENT = 5
NODE = "node"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Duration(_Model):
    seconds: float
    source: str


class Durations(_Model):
    default_seconds: float
    unavoidable: tuple[str, ...]
    pods: frozenset[str]
    sources: Mapping[str, str]
    seconds: Mapping[str, Duration]

    @model_validator(mode="after")
    def _complete(self) -> "Durations":
        without = sorted({*self.unavoidable, *self.pods, NODE} - self.seconds.keys())
        sourceless = sorted({each.source for each in self.seconds.values()} - self.sources.keys())
        if without or sourceless:
            raise ValueError(f"no duration of {without}, no source {sourceless}")
        return self

    def of(self, kind: str) -> float:
        if is_instant(kind):
            return 0
        return self.seconds[kind].seconds if kind in self.seconds else self.default_seconds


def durations() -> Durations:
    return Durations.model_validate(yaml.safe_load(DURATIONS.read_text(encoding="utf-8")))


@dataclass(frozen=True)
class Step:
    node: Node
    start: float
    """Seconds after the beginning."""
    seconds: float


@dataclass(frozen=True)
class Report:
    chain: list[Step]
    """The longest one, without what takes no time."""
    unavoidable: list[tuple[str, float]]
    unknown: Mapping[str, int]
    """Type without a duration -> number of its resources."""

    @property
    def total(self) -> float:
        return self.chain[-1].start + self.chain[-1].seconds if self.chain else 0

    @property
    def least(self) -> float:
        return sum(seconds for _, seconds in self.unavoidable)

    @property
    def per_cent_over(self) -> float:
        """How much longer the chain is than the unavoidable one; negative when it is shorter."""
        return 100 * (self.total - self.least) / self.least


def analyse(graph: Graph, table: Durations) -> Report:
    """The longest chain of `graph`.

    The first pod that nothing can take makes Auto Mode launch a node, and every pod waits for that: so a node is put in
    that needs what the earliest pod needs.

    Raises:
        ValueError: when nothing of the unavoidable chain is in the graph.
    """
    with_node = _with_node(graph, table)
    there = {node.type for node in with_node.values()}
    unavoidable = [(kind, table.of(kind)) for kind in table.unavoidable if kind in there]
    if not sum(seconds for _, seconds in unavoidable):
        raise ValueError("there is neither network nor cluster nor pod: nothing to compare with")
    finished = _finished(with_node, table)
    unknown: dict[str, int] = {}
    for node in with_node.values():
        if node.type not in table.seconds and not is_instant(node.type):
            unknown[node.type] = unknown.get(node.type, 0) + 1
    return Report(_chain(with_node, finished, table), unavoidable, dict(sorted(unknown.items())))


def _finished(graph: Graph, table: Durations) -> dict[str, float]:
    """Key -> when it is there, when everything begins as early as it can."""
    finished: dict[str, float] = {}
    for key in in_order(graph):
        start = max((finished[need] for need in graph[key].needs), default=0)
        finished[key] = start + table.of(graph[key].type)
    return finished


def _with_node(graph: Graph, table: Durations) -> Graph:
    pods = [key for key, node in graph.items() if node.type in table.pods]
    if not pods:
        return graph
    finished = _finished(graph, table)
    earliest = min(pods, key=lambda key: (finished[key] - table.of(graph[key].type), key))
    waiting = {
        key: Node(node.type, node.name, node.needs | {NODE}) if key in pods else node for key, node in graph.items()
    }
    return {**waiting, NODE: Node(NODE, f"for {graph[earliest].name}", graph[earliest].needs)}


def _chain(graph: Graph, finished: Mapping[str, float], table: Durations) -> list[Step]:
    chain: list[Step] = []
    key = max(finished, key=lambda each: (finished[each], each), default="")
    while key:
        node, seconds = graph[key], table.of(graph[key].type)
        if seconds:
            chain.append(Step(node, finished[key] - seconds, seconds))
        key = max(node.needs, key=lambda each: (finished[each], each), default="")
    return chain[::-1]


def show(report: Report, table: Durations) -> None:
    for step in report.chain:
        source = table.seconds[step.node.type].source if step.node.type in table.seconds else "assumed"
        print(f"{step.start:6.0f} s  +{step.seconds:4.0f}  {step.node.type} {step.node.name}  [{source}]")
    print(f"{report.total:6.0f} s  together")
    steps = ", ".join(f"{kind.rpartition(':')[2]} {seconds:.0f}" for kind, seconds in report.unavoidable)
    print(f"{report.least:6.0f} s  unavoidable: {steps}")
    print(f"{report.per_cent_over:6.1f} %  over; {ALLOWED_PER_CENT} are allowed")
    for kind, number in report.unknown.items():
        print(f"no duration: {number} x {kind}: {table.default_seconds:.0f} s each are assumed")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="The longest chain of a stack's creation.")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("stack", nargs="?", help="dev, staging, prod: the program on mocks")
    which.add_argument("--state", type=Path, help="a file with what `pulumi stack export` printed")
    given = parser.parse_args(arguments)
    try:
        graph = of_state(json.loads(given.state.read_text())) if given.state else _of_program(given.stack)
        table = durations()
        report = analyse(graph, table)
    except (DependencyCycleError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    show(report, table)
    return int(report.per_cent_over > ALLOWED_PER_CENT)


def _of_program(stack: str) -> Graph:
    from plans.programs import program

    return of_plan(plan(program(stack), stack))


if __name__ == "__main__":
    run("critical-path", main)
