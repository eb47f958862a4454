"""What a service declares is what its code does."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from infra import catalogue

SERVICES = Path(__file__).parent.parent / "services"
OF_PYTHON = [spec for spec in catalogue.load(SERVICES) if spec.language == "python"]
PROBES = {"/livez", "/readyz", "/metrics", "/openapi.json"}
INTERNAL = "/internal/"
"""Between services: no route of the gateway."""


def shape(method: str, path: str) -> str:
    """A route without the names of its variables."""
    return f"{method.upper()} {re.sub(r'{[^}]*}', '{}', path)}"


@pytest.mark.parametrize("spec", OF_PYTHON, ids=lambda spec: spec.name)
def test_every_operation_is_a_declared_route_with_the_same_scopes_and_the_other_way_round(
    spec: catalogue.ServiceSpec,
) -> None:
    document: dict[str, Any] = json.loads((SERVICES / spec.name / "openapi.json").read_text())
    served = {
        shape(method, path): sorted(scope for need in operation.get("security", []) for scope in need["oauth2"])
        for path, operations in document["paths"].items()
        if path not in PROBES and not path.startswith(INTERNAL)
        for method, operation in operations.items()
    }

    assert not [route.path for route in spec.routes if route.path.startswith(INTERNAL)]
    assert served == {shape(route.method, route.path): sorted(route.scopes) for route in spec.routes}
