"""`database: {engine: dynamodb}`: a table of documents of the service's own."""

from collections.abc import Iterator, Sequence

from infra.capabilities.database.declaration import DatabaseDeclaration, declared_engine
from infra.declaration.draft import Draft
from infra.declaration.problems import Problem


class TableDeclaration(DatabaseDeclaration):
    @property
    def has_table(self) -> bool:
        return self.database is not None and self.database.engine == "dynamodb"

    @classmethod
    def check(cls, drafts: Sequence[Draft]) -> Iterator[Problem]:
        for draft in drafts:
            database = draft.field("database")
            if declared_engine(draft) == "dynamodb" and "connections" in database:
                remedy = "has `connections`, which dynamodb has none of: leave it out"
                yield Problem(draft.file, "database", None, remedy)
