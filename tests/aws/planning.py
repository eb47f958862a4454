"""Plans of the AWS program for tests, each made once in a run."""

import json
import shutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from infra.service import catalogue
from infra.service.catalogue import Catalogue
from plans.planned import Plan, Planned, plan
from plans.programs import ROOT, program
from tests.shared import once_in_a_run

SERVICES = Path("services")
"""The declarations of the whole shop."""
DIGEST = f"sha256:{'0' * 64}"


def given_for(services: Path, **settings: Any) -> dict[str, Any]:
    """Settings for a catalogue that has no Dockerfiles: its images are named by digest."""
    images = {"build": False, "promote_from": None, "digests": digests(services)}
    return {"services": str(services), "images": images, **settings}


def digests(services: Path = SERVICES) -> dict[str, str]:
    """Of every image of an environment."""
    return dict.fromkeys([*declared(services).services, "database-bootstrap"], DIGEST)


def declared(services: Path = SERVICES) -> Catalogue:
    return catalogue.load(ROOT / services)


def copy_of_declarations(folder: Path) -> Path:
    """A catalogue in `folder` that a test may change."""
    for file in (ROOT / SERVICES).glob("*/service.yaml"):
        (folder / file.parent.name).mkdir(parents=True)
        shutil.copy(file, folder / file.parent.name)
    return folder


def only(name: str, folder: Path) -> Path:
    """A catalogue of this service alone: a plan of it takes a quarter of the time of the whole shop's."""
    (folder / name).mkdir(parents=True)
    shutil.copy(ROOT / SERVICES / name / "service.yaml", folder / name)
    return folder


def public_routes(catalogue: Catalogue) -> list[str]:
    """Keys of the routes that need no token."""
    return [route.key for spec in catalogue for route in spec.routes if route.public]


def environment(stack: str, services: Path = SERVICES, **settings: Any) -> Plan:
    """The plan of the stack's own settings, with these over them."""
    given = given_for(services, **settings)
    if services == SERVICES and not settings:
        return _of_its_own_settings(stack)
    return plan(program(stack, given), stack)


def with_a_domain(folder: Path) -> Plan:
    """Production under a name of its own, with one service."""
    return environment("prod", only("users", folder), domain={"name": "api.shop.example", "zone_id": "Z0123456789"})


@cache
def _of_its_own_settings(stack: str) -> Plan:
    return once_in_a_run(f"plan-{stack}", lambda: plan(program(stack, given_for(SERVICES)), stack))


def registered(plan: Plan) -> set[str]:
    """`<type> <name>` of every resource, types as short as they are clear."""
    return {short(each) for each in plan.resources}


def short(resource: Planned) -> str:
    """`rds:Instance orders-database`, `Deployment orders`, `shop:aws:Service orders`."""
    package, _, rest = resource.type.partition(":")
    kind = rest.rpartition(":")[2]
    if package == "aws":
        return f"{rest.partition('/')[0]}:{kind} {resource.name}"
    return f"{kind if package == 'kubernetes' else resource.type} {resource.name}"


def document(value: Any) -> Mapping[str, Any]:
    """A policy, which is handed over as text."""
    return json.loads(value)  # type: ignore[no-any-return]
