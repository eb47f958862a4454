"""The names of tags, in one place. The provider puts the common ones on everything."""

PROJECT, ENVIRONMENT, MANAGED_BY = "Project", "Environment", "ManagedBy"
SERVICE = "Service"

REQUIRED = (PROJECT, ENVIRONMENT, MANAGED_BY)
"""What every resource that can carry tags has."""


def common(project: str, stack: str) -> dict[str, str]:
    """The default tags of an environment's provider."""
    return {PROJECT: project, ENVIRONMENT: stack, MANAGED_BY: "pulumi"}


def of_service(service: str) -> dict[str, str]:
    """What a resource of one service carries besides."""
    return {SERVICE: service}
