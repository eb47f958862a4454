"""PostgreSQL, by asyncpg."""

from __future__ import annotations

from typing import Any

import asyncpg
import sqlalchemy as sa
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.dialects import ConnectionOptions, DialectName

ADVISORY_LOCK = 7_238_114_905
"""Held while migrations run. Each database has locks of its own."""

# 53: insufficient resources; 57P: it starts or stops; the others: a lock not available, a deadlock, a conflict.
_TRANSIENT = ("53", "57P", "55P03", "40P01", "40001")


class Postgresql:
    name: DialectName = "postgresql"
    port = 5432
    connect_errors: tuple[type[Exception], ...] = (
        asyncpg.CannotConnectNowError,
        asyncpg.PostgresConnectionError,
        asyncpg.TooManyConnectionsError,
    )

    def driver_url(self, url: str) -> sa.URL:
        """asyncpg calls libpq's `sslmode` `ssl`."""
        parsed = sa.make_url(url)
        query = {("ssl" if name == "sslmode" else name): value for name, value in parsed.query.items()}
        return parsed.set(drivername="postgresql+asyncpg", query=query)

    def connect_arguments(self, url: str, options: ConnectionOptions, *, ca_file: str | None) -> dict[str, Any]:
        """Every step has a time-out, on the server and, should it be gone, on the client. asyncpg finds the file that
        PGSSLROOTCERT names by itself, as libpq does."""
        arguments: dict[str, Any] = {
            "timeout": options.connect_seconds,
            "command_timeout": options.statement_seconds + 2,
            "server_settings": {
                "application_name": options.application_name,
                "statement_timeout": f"{options.statement_seconds}s",
                "lock_timeout": f"{options.lock_seconds}s",
                "idle_in_transaction_session_timeout": f"{options.idle_seconds}s",
            },
        }
        return arguments if options.password is None else arguments | {"password": options.password}

    async def read_only(self, connection: AsyncConnection) -> AsyncConnection:
        return await connection.execution_options(postgresql_readonly=True)

    def is_closed(self, driver_connection: Any) -> bool:
        return bool(driver_connection.is_closed())

    def is_transient(self, error: DBAPIError) -> bool:
        return error.connection_invalidated or str(getattr(error.orig, "sqlstate", "")).startswith(_TRANSIENT)

    def redact_values(self, context: ExceptionContext) -> None:
        """A DETAIL quotes the row: `Key (email)=(ada@example.com) already exists.`"""
        refused = context.original_exception.__cause__
        detail = getattr(refused, "detail", None)
        if not isinstance(refused, asyncpg.PostgresError) or not detail:
            return
        refused.detail = None
        for error in (context.original_exception, context.sqlalchemy_exception):
            if error is not None:
                error.args = (str(error.args[0]).replace(f"\nDETAIL:  {detail}", ""), *error.args[1:])

    async def try_migration_lock(self, connection: AsyncConnection) -> bool:
        return bool(await connection.scalar(sa.select(sa.func.pg_try_advisory_lock(ADVISORY_LOCK))))

    async def set_lock_timeout(self, connection: AsyncConnection, seconds: int) -> None:
        await connection.execute(sa.text(f"SET lock_timeout = '{seconds}s'"))


POSTGRESQL = Postgresql()
