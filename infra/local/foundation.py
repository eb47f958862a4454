"""What all services of the laptop stand on, and what a capability is there."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi

from infra.contract import Binding
from infra.declaration.catalogue import Catalogue
from infra.local.platform import People, Platform


@dataclass(frozen=True, kw_only=True)
class Foundation:
    catalogue: Catalogue[Any]
    source: Path
    """The folder of all services."""
    prefix: str
    """`shop-local`: begins the names of what is made on the emulator."""
    platform: Platform
    people: People
    addresses: dict[str, pulumi.Output[str]] = field(default_factory=dict)
    """Service -> where it answers, of those that have been made. One that is called is made before its callers."""


class Capability:
    """What a service can declare. Made once for the laptop, with what its services share of it."""

    def __init__(self, on: Foundation) -> None:
        self.on = on

    def bind(self, spec: Any, parent: pulumi.Resource) -> Binding:
        """What it gives this service; nothing when the service does not declare it.

        Args:
            spec: the declaration of the service.
            parent: of what is made for the service alone.
        """
        raise NotImplementedError
