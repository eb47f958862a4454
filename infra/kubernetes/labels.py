"""Labels and selectors, in one place: Deployments, Services, budgets and network policies find pods by them."""

import re

from infra.contract import SERVER as SERVER

NAME = "app.kubernetes.io/name"
COMPONENT = "app.kubernetes.io/component"
PART_OF = "app.kubernetes.io/part-of"
MANAGED_BY = "app.kubernetes.io/managed-by"
VERSION = "app.kubernetes.io/version"

COLLECTOR = "collector"
"""The pods that gather traces and metrics."""

_BY_DIGEST = re.compile(r"@sha256:([0-9a-f]{64})\Z")


def selector(service: str, component: str = SERVER) -> dict[str, str]:
    """Finds the pods of one component of a service, whatever their version.

    The component is in it because a Job's pods are ready as soon as they run: a Service that selected by name alone
    would send requests to a migration.
    """
    return {NAME: service, COMPONENT: component}


def common(service: str, component: str = SERVER) -> dict[str, str]:
    """The labels of every object of a component, but the version."""
    return selector(service, component) | {PART_OF: "shop", MANAGED_BY: "pulumi"}


def versioned(service: str, component: str, image: str) -> dict[str, str]:
    """The labels of what runs `image`. Raises ValueError for an image without digest."""
    return common(service, component) | {VERSION: short_digest(image)}


def short_digest(image: str) -> str:
    """The first 12 hexadecimal digits of an image's digest: what tells two builds of a service apart.

    Raises:
        ValueError: when the image is not named by its digest; a tag may be another image tomorrow.
    """
    found = _BY_DIGEST.search(image)
    if found is None:
        raise ValueError(f"the image {image} is not named by its digest: give <repository>@sha256:<64 hex digits>")
    return found[1][:12]
