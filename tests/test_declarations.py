"""What a service declares is what its code does."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from infra import catalogue

SERVICES = Path(__file__).parent.parent / "services"
DECLARED = list(catalogue.load(SERVICES))
PROBES = {"/livez", "/readyz", "/metrics", "/openapi.json"}


def shape(method: str, path: str) -> str:
    """A route without the names of its variables."""
    return f"{method.upper()} {re.sub(r'{[^}]*}', '{}', path)}"


@pytest.mark.parametrize("spec", DECLARED, ids=lambda spec: spec.name)
def test_every_operation_is_a_declared_route_with_the_same_scopes_and_the_other_way_round(
    spec: catalogue.ServiceSpec,
) -> None:
    document: dict[str, Any] = json.loads((SERVICES / spec.name / "openapi.json").read_text())
    served = {
        shape(method, path): sorted(scope for need in operation.get("security", []) for scope in need["oauth2"])
        for path, operations in document["paths"].items()
        if path not in PROBES
        for method, operation in operations.items()
    }

    assert served == {shape(route.method, route.path): sorted(route.scopes) for route in spec.routes}


@pytest.mark.parametrize("spec", DECLARED, ids=lambda spec: spec.name)
def test_the_code_names_every_declared_event(spec: catalogue.ServiceSpec) -> None:
    code = "".join(file.read_text() for file in (SERVICES / spec.name / spec.module).glob("*.py"))
    named = set(re.findall(r'"([a-z]+\.[a-z]+)"', code)) & set(_all_events())

    assert named == {*spec.publishes, *spec.subscribes}


def _all_events() -> list[str]:
    return [event for spec in DECLARED for event in spec.publishes]
