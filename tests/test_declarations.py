"""What a service declares is what its code does."""

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from chassis.database import Database
from chassis.settings import Settings

from infra.service import catalogue

SERVICES = Path(__file__).parent.parent / "services"
OF_PYTHON = [spec for spec in catalogue.load(SERVICES) if spec.language == "python"]
WITH_CONNECTIONS = [spec for spec in OF_PYTHON if spec.relational_engine]
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


@pytest.mark.parametrize("spec", WITH_CONNECTIONS, ids=lambda spec: spec.name)
def test_a_process_opens_no_more_connections_than_declared(
    spec: catalogue.ServiceSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many pools it has: the catalogue is checked against what an instance takes."""
    pools: list[Database] = []

    def remembered(self: Database, *args: Any, **named: Any) -> None:
        made(self, *args, **named)
        pools.append(self)

    made = Database.__init__
    monkeypatch.setattr(Database, "__init__", remembered)
    bootstrap = importlib.import_module(f"{spec.module}.bootstrap")
    [settings] = [
        each for each in vars(bootstrap).values() if _is_settings(each) and each.__module__ == bootstrap.__name__
    ]
    assert spec.database

    bootstrap.service(settings.placeholder().model_copy(update={"database_pool_size": spec.database.connections}))

    assert sum(each.pool_size for each in pools) == spec.database.connections


def _is_settings(thing: object) -> bool:
    return isinstance(thing, type) and issubclass(thing, Settings)
