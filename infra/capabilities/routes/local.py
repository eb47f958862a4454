"""Routes on the laptop: the table of its gateway."""

from collections.abc import Iterable, Mapping
from typing import Any

from pulumi import Input

from infra.capabilities.routes.declaration import RoutesDeclaration
from infra.contract import GATEWAY_TIMEOUT_SECONDS


def table(services: Iterable[RoutesDeclaration], addresses: Mapping[str, Input[str]]) -> list[dict[str, Any]]:
    """Every route as `infra.local.gateway.config.Route` has it.

    Args:
        addresses: service -> where it answers.
    """
    return [
        {
            "method": route.method,
            "path": route.path,
            "service": spec.name,
            "url": addresses[spec.name],
            "scopes": list(route.scopes),
            "public": route.public,
            "throttle": route.throttle.model_dump(),
            "timeout_seconds": GATEWAY_TIMEOUT_SECONDS,
        }
        for spec in services
        for route in spec.routes
    ]
