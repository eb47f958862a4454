"""Alembic without an ini file, safe to start in several processes at once.

A service's migrations/env.py is two lines:

    from chassis.migrations import run_env
    run_env(tables.metadata)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec

import sqlalchemy as sa
from alembic import command, context, op
from alembic.config import Config
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.pool import NullPool

from chassis import engine, inbox, outbox
from chassis.dialects import Dialect
from chassis.settings import Settings

STATEMENT_SECONDS = 600
MIGRATION_LOCK_SECONDS = 900
TABLE_LOCK_SECONDS = 10
"""A migration that cannot get its table lock fails, instead of queueing every query of the service behind it."""

_CONNECTION = "connection"


async def upgrade(settings: Settings, package: str) -> None:
    """Brings the database of `settings` to the head of `package` (such as "orders.migrations").

    Any number of processes may call it at once: one migrates, the others wait for it and then find nothing to do.
    Raises TimeoutError after MIGRATION_LOCK_SECONDS of waiting. Within a process call it once at a time, as Alembic
    keeps its state in a global.

    In PostgreSQL a migration is atomic. In MySQL each statement that changes a table commits everything before it: a
    migration that fails half-way stays half done, so put one such statement into a version.
    """
    config = Config()
    config.set_main_option("script_location", _folder(package).replace("%", "%%"))
    url = engine.database_url(settings)
    options = engine.connection_options(
        f"{settings.service_name} migrate", engine.password_from(settings), statement_seconds=STATEMENT_SECONDS
    )
    migrating = engine.create_engine(url, options, ca_file=settings.pgsslrootcert, poolclass=NullPool)
    try:
        async with migrating.connect() as connection, _migration_lock(engine.dialect_of(url), connection):
            await connection.run_sync(_upgrade, config)
    finally:
        await migrating.dispose()


def run_env(metadata: sa.MetaData) -> None:
    """The whole of a service's env.py: runs the migrations on the connection that upgrade() opened."""
    context.configure(connection=context.config.attributes[_CONNECTION], target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()


def create_outbox() -> None:
    """For the first migration of a service that publishes. Never changed: a later change of the table is a function of
    its own, which later migrations call."""
    outbox.table.create(op.get_bind())


def create_inbox() -> None:
    """For the first migration of a service that subscribes. See create_outbox."""
    inbox.table.create(op.get_bind())


def _folder(package: str) -> str:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"no package {package} with migrations")
    return next(iter(spec.submodule_search_locations))


def _upgrade(connection: sa.Connection, config: Config) -> None:
    config.attributes[_CONNECTION] = connection
    command.upgrade(config, "head")


@asynccontextmanager
async def _migration_lock(dialect: Dialect, connection: AsyncConnection) -> AsyncIterator[None]:
    """Holds the lock for migrating this database during the block.

    It polls for the lock. A statement that waited for it inside PostgreSQL would hold a snapshot; CREATE INDEX
    CONCURRENTLY of the lock's holder would wait for that snapshot to end, and neither would finish.
    """
    async with asyncio.timeout(MIGRATION_LOCK_SECONDS):
        while not await dialect.try_migration_lock(connection):
            await connection.rollback()
            await asyncio.sleep(0.2)
    await dialect.set_lock_timeout(connection, TABLE_LOCK_SECONDS)
    await connection.commit()
    yield  # the lock ends with the connection
