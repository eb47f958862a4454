"""Names that a service cannot have, because something beside it in an environment has them."""

import sys
from collections.abc import Iterable

from infra import variables

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

OF_DATABASE_SERVERS = frozenset(
    {
        *("admin", "information_schema", "mysql", "performance_schema", "platform", "postgres", "root", "sys"),
        *("database_bootstrap", "rds_iam", "rds_password", "rds_replication", "rds_superuser", "rdsadmin"),
        *("none", "public", "template0", "template1"),
    }
)
"""Databases and users that a server has already, or takes for words of its own; `platform` and `database_bootstrap` are
ours (infra/aws/database.py, infra/bootstrap/postgres.py)."""

OF_PARTS = {
    "bootstrap": "the role and the service account of the bootstrap",
    "dead": "the dead-letter queue on the laptop",
    "jobs": "the network policy of the jobs",
}
"""Ending -> the part of a service that has its name with this ending: `orders-jobs`."""


def taken(name: str, others: Iterable[str] = (), language: str = "", relational: bool = False) -> str | None:
    """By what a name is taken; None when a service can have it.

    Args:
        others: the names of all services.
        relational: whether a database and a user of that name are made.
    """
    if name in RESERVED:
        return f"is taken by {RESERVED[name]}: choose another"
    if own := variables.beside(name):
        caller = f"who calls it finds it by {variables.of_call(name)}, among its own {', '.join(own)}"
        return f"is taken: {caller}; choose another"
    owner, _, part = name.rpartition("-")
    if part in OF_PARTS and owner in others:
        return f"is taken by {OF_PARTS[part]} of `{owner}`: choose another"
    module = name.replace("-", "_")
    if language == "python" and module in sys.stdlib_module_names:
        return f"is taken by the module `{module}` of Python, which its package would hide: choose another"
    if relational and (module in OF_DATABASE_SERVERS or module.startswith("pg_")):
        return f"is taken: database servers have a `{module}` of their own; choose another"
    return None
