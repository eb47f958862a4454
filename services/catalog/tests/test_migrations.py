"""The migrations make the tables that the code uses."""

from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from catalog.tables import metadata, products

from .shops import Shop

pytestmark = pytest.mark.slow


async def test_the_migrated_database_is_what_the_tables_say(shop: Shop) -> None:
    def differences(connection: sa.Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        return list(compare_metadata(context, metadata))

    async with shop.database.connection() as connection:
        assert await connection.run_sync(differences) == []


async def test_what_a_search_looks_at_is_what_the_tables_say(shop: Shop) -> None:
    """Alembic does not compare how a column is computed."""
    of_database = sa.text("SELECT generation_expression FROM information_schema.columns WHERE column_name = 'search'")
    async with shop.database.connection() as connection:
        migrated = (await connection.execute(of_database)).scalar_one()

    computed = products.c.search.computed
    assert computed is not None
    assert _plain(migrated) == _plain(str(computed.sqltext))


async def test_the_planner_is_told_enough_of_words_to_tell_rare_from_common_ones(shop: Shop) -> None:
    target = sa.text(
        "SELECT attstattarget FROM pg_attribute WHERE attrelid = 'products'::regclass AND attname = 'search'"
    )
    async with shop.database.connection() as connection:
        assert (await connection.execute(target)).scalar_one() == 1000


def _plain(expression: str) -> str:
    return expression.replace("(", "").replace(")", "").replace(" ", "")
