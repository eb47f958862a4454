"""Services beside each other, whose names begin alike."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.declaration.declaration import LONGEST_NAME
from infra.service import catalogue
from plans.planned import Plan, Planned
from stacks import local
from stacks.settings import LocalSettings
from tests.aws.planning import environment
from tests.mocks import record


def declare(services: Path, name: str) -> None:
    """A service that has everything."""
    declaration = {
        "name": name,
        "summary": "has everything",
        "language": "python",
        "scopes": {"read": "Read all"},
        "routes": [{"method": "GET", "path": f"/{name}", "scopes": [f"{name}/read"]}],
        "database": {"engine": "postgres"},
        "publishes": [f"{name.replace('-', '_')}.made"],
        "subscribes": [f"{name.replace('-', '_')}.made"],
    }
    (services / name).mkdir(parents=True)
    (services / name / "service.yaml").write_text(yaml.safe_dump(declaration))


def plans(services: Path) -> list[Plan]:
    (services / "chassis/chassis").mkdir(parents=True, exist_ok=True)
    settings = LocalSettings(services=services, directory=services.parent / "shop")
    granted: dict[str, Any] = {"quotas": {"resource_servers": 300, "database_instances": 300}}
    return [environment("prod", services, **granted), record(lambda: local.deploy("local", settings))]


def names(resource: Planned) -> set[str]:
    """The name in the state, and the one in AWS or the cluster where the program chooses it."""
    metadata = resource.inputs.get("metadata")
    chosen = (metadata if isinstance(metadata, dict) else resource.inputs).get("name")
    return {resource.name, *([str(chosen)] if chosen else [])}


@pytest.mark.slow  # plans two dozen services
def test_no_part_of_a_service_is_the_same_thing_as_a_part_of_another_one_whatever_their_names(tmp_path: Path) -> None:
    services = tmp_path / "services"
    declare(services, "ab")
    parts = {name for plan in plans(services) for each in plan.resources for name in names(each)}
    endings = {name.removeprefix("ab-") for name in parts if name.startswith("ab-")}
    assert endings > {"bootstrap", "jobs", "queue", "topic"}

    alike = {f"ab-{ending}" for ending in endings}
    for name in alike:
        if len(name) <= LONGEST_NAME and not catalogue.name_taken(name, {"ab", *alike}, {}):
            declare(services, name)

    for plan in plans(services):
        things = Counter((each.type, name) for each in plan.resources for name in names(each))
        assert [thing for thing, times in things.items() if times > 1] == []
        assert [urn for urn, times in Counter(each.urn for each in plan.resources).items() if times > 1] == []
