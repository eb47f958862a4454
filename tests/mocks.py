"""The program of the local stack on Pulumi's mocks: what its dynamic resources answer."""

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from plans.planned import Plan, plan

DYNAMIC = "pulumi-python:dynamic/local:"
WITHOUT_OUTPUTS = {
    "Binary",
    "Group",
    "Job",
    "MysqlCluster",
    "PostgresCluster",
    "Process",
    "Scopes",
    "Supervisor",
    "Table",
}


def record(program: Callable[[], None], stack: str = "local") -> Plan:
    """Runs the program to its end, every output resolved. Types stand without what all share, JSON is parsed."""
    ports = itertools.count(20_001)

    def answer(kind: str, name: str, inputs: dict[str, Any]) -> dict[str, Any]:
        return _answer(kind, name, ports)

    recorded = plan(program, stack, answer)
    short = [
        replace(each, type=each.type.removeprefix(DYNAMIC), inputs=_parsed(each.inputs)) for each in recorded.resources
    ]
    return Plan(short, recorded.outputs)


def _answer(kind: str, name: str, ports: Iterator[int]) -> dict[str, Any]:
    match kind.removeprefix(DYNAMIC):
        case "Port":
            return {"number": next(ports)}
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
        case known if known in WITHOUT_OUTPUTS:
            return {}
    raise LookupError(f"unexpected resource {kind} {name}")


def _parsed(inputs: dict[str, Any]) -> dict[str, Any]:
    return {
        key: json.loads(value) if isinstance(value, str) and value.startswith("{") else value
        for key, value in inputs.items()
    }
