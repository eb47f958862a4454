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

from chassis import database, dialects, inbox, outbox
from chassis.dialects import Dialect
from chassis.settings import Settings

STATEMENT_SECONDS = 600
TURN_SECONDS = 900
LOCK_SECONDS = 10
"""A migration that cannot get its table lock fails, instead of queueing every query of the service behind it."""

_CONNECTION = "connection"


async def upgrade(settings: Settings, package: str) -> None:
    """Brings the database of `settings` to the head of `package` (such as "orders.migrations").

    One process at a time does so; the others wait for up to TURN_SECONDS (then TimeoutError), and find nothing to do.
    Within a process one at a time, too: Alembic keeps what it works on in a global.

    In PostgreSQL all of it happens or nothing. In MySQL each statement that changes a table commits what came before
    it: a migration that fails half-way stays half done, so keep to one such statement in a version.
    """
    config = Config()
    config.set_main_option("script_location", _folder(package).replace("%", "%%"))
    url = database.database_url(settings)
    session = database.session(
        f"{settings.service_name} migrate", database.password_from(settings), statement_seconds=STATEMENT_SECONDS
    )
    engine = database.create_engine(url, session, ca_file=settings.pgsslrootcert, poolclass=NullPool)
    try:
        async with engine.connect() as connection, _turn(dialects.of(url), connection):
            await connection.run_sync(_upgrade, config)
    finally:
        await engine.dispose()


def run_env(metadata: sa.MetaData) -> None:
    """The whole of a service's env.py: runs the migrations on the connection that upgrade() opened."""
    context.configure(connection=context.config.attributes[_CONNECTION], target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()


def create_outbox() -> None:
    """For the first migration of a service that publishes. What it makes is history: a change gets its own function."""
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
async def _turn(dialect: Dialect, connection: AsyncConnection) -> AsyncIterator[None]:
    """Holds the lock. Asks again instead of waiting in the server: in PostgreSQL a waiting statement has a snapshot,
    which CREATE INDEX CONCURRENTLY of the lock's holder would wait for, and neither would end."""
    async with asyncio.timeout(TURN_SECONDS):
        while not await dialect.take_turn(connection):
            await connection.rollback()
            await asyncio.sleep(0.2)
    await dialect.wait_for_locks(connection, LOCK_SECONDS)
    await connection.commit()
    yield  # the lock ends with the connection
