"""Names that no service can have, whatever it declares: something beside it in an environment has them."""

from collections.abc import Iterable

RESERVED = {
    "chassis": "the shared library",
    "database-bootstrap": "the image that makes databases",
    "default": "the service account that every namespace has",
    "default-deny": "the network policy of the namespace",
    "emulator": "the process that stands for AWS on the laptop",
    "gateway": "the gateway of the laptop",
    "mysql": "the database server of the laptop",
    "otel-collector": "the collector of traces",
    "postgres": "the database server of the laptop",
}

OF_PARTS = {
    "bootstrap": "the role and the service account of the bootstrap",
    "dead": "the dead-letter queue on the laptop",
    "jobs": "the network policy of the jobs",
}
"""Ending -> the part of a service that has its name with this ending: `orders-jobs`."""


def taken(name: str, others: Iterable[str]) -> str | None:
    """By what a name is taken, and what to do; None when it is free.

    Args:
        others: the names of all services.
    """
    if name in RESERVED:
        return f"is taken by {RESERVED[name]}: choose another"
    owner, _, part = name.rpartition("-")
    if part in OF_PARTS and owner in others:
        return f"is taken by {OF_PARTS[part]} of `{owner}`: choose another"
    return None
