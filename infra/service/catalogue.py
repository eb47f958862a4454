"""All that a service can declare, and the catalogue of those that are declared.

`python -m infra.service.catalogue` checks the catalogue of this checkout; with `--schema` it prints the JSON Schema of
a service.yaml.
"""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from infra.capabilities.calls.declaration import CallsDeclaration
from infra.capabilities.database.declaration import DatabaseDeclaration
from infra.capabilities.messages.declaration import MessagesDeclaration
from infra.capabilities.people.declaration import PeopleDeclaration
from infra.capabilities.processes.declaration import ProcessesDeclaration
from infra.capabilities.routes.declaration import RoutesDeclaration
from infra.capabilities.table.declaration import TableDeclaration
from infra.command_line import run
from infra.declaration import catalogue
from infra.declaration.catalogue import CatalogueError
from infra.declaration.declaration import Purpose
from infra.declaration.draft import Draft

__all__ = ["Catalogue", "CatalogueError", "ServiceSpec", "load", "name_taken", "schema"]


class ServiceSpec(
    # From the last to the first, as their fields stand in the schema.
    ProcessesDeclaration,
    PeopleDeclaration,
    CallsDeclaration,
    MessagesDeclaration,
    TableDeclaration,
    DatabaseDeclaration,
    RoutesDeclaration,
):
    """One service: everything that is provisioned for it, in every environment, follows from these fields."""


Catalogue = catalogue.Catalogue[ServiceSpec]


def load(services: Path, code: Purpose | None = None) -> Catalogue:
    """The catalogue of the folder `services`.

    Args:
        code: also check that each folder holds what it takes to `run` its code here, or to `build` its image.

    Raises:
        CatalogueError: with every problem of every file.
    """
    return catalogue.load(services, ServiceSpec, code)


def name_taken(name: str, others: Iterable[str], document: Mapping[str, Any]) -> str | None:
    """By what the name of a service with this declaration is taken, and what to do; None when it can have it."""
    return catalogue.name_taken(name, others, Draft(f"services/{name}/service.yaml", document), ServiceSpec)


def schema() -> str:
    """The JSON Schema of a service.yaml, for editors."""
    return catalogue.schema(ServiceSpec)


def main(arguments: list[str]) -> int:
    if arguments == ["--schema"]:
        print(schema(), end="")
        return 0
    loaded = load(Path("services"), code="build")
    print(f"{len(loaded.services)} services, no problems: {', '.join(loaded.services)}")
    return 0


if __name__ == "__main__":
    run("catalogue", lambda: main(sys.argv[1:]))
