"""The migrations make the tables that the code uses."""

from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from chassis.database import Database
from orders.tables import metadata

pytestmark = pytest.mark.slow


async def test_the_migrated_database_is_what_the_tables_say(database: Database) -> None:
    def differences(connection: sa.Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        return list(compare_metadata(context, metadata))

    async with database.connection() as connection:
        assert await connection.run_sync(differences) == []
