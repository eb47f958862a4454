"""`database`: a database of the service's own, relational, or a table of documents (infra/capabilities/table)."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from infra.contract import RelationalEngine
from infra.declaration.declaration import Declaration, Model
from infra.declaration.draft import Draft

ENGINES: tuple[RelationalEngine, ...] = ("postgres", "mysql")

NAMES_OF_SERVERS = frozenset(
    {
        *("admin", "information_schema", "mysql", "performance_schema", "platform", "postgres", "root", "sys"),
        *("database_bootstrap", "rds_iam", "rds_password", "rds_replication", "rds_superuser", "rdsadmin"),
        *("none", "public", "template0", "template1"),
    }
)
"""Databases and users that a server has already, or takes for words of its own; `platform` and `database_bootstrap` are
ours (infra/aws/database_instance.py, infra/bootstrap/postgres.py)."""


class Database(Model):
    engine: Literal["postgres", "mysql", "dynamodb"]
    connections: Annotated[int, Field(ge=1, le=100)] = 5
    """What one process may have open of a relational one (its DATABASE_POOL_SIZE)."""


class DatabaseDeclaration(Declaration):
    database: Database | None = None

    EXAMPLES: ClassVar[Mapping[str, str]] = {"database": "{engine: postgres}", "database.engine": "postgres"}

    @property
    def relational_engine(self) -> RelationalEngine | None:
        """None without a relational database."""
        return next((engine for engine in ENGINES if self.database and self.database.engine == engine), None)

    @classmethod
    def name_taken(cls, name: str, draft: Draft) -> str | None:
        module, engine = name.replace("-", "_"), declared_engine(draft)
        if engine is None or engine == "dynamodb":
            return None
        if module in NAMES_OF_SERVERS or module.startswith("pg_"):
            return f"is taken: database servers have a `{module}` of their own; choose another"
        return None


def relational_engines(services: Iterable[DatabaseDeclaration]) -> list[RelationalEngine]:
    """Engines of which at least one service has a database."""
    used = {spec.relational_engine for spec in services}
    return [engine for engine in ENGINES if engine in used]


def declared_engine(draft: Draft) -> Any:
    """Of its database, also where it stands in the place of the mapping."""
    database = draft.field("database")
    return database.get("engine") if isinstance(database, dict) else database
