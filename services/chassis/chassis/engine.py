"""SQLAlchemy's engine for a URL: with the right driver, a time-out on every step and no data in its errors."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from chassis import aws
from chassis.dialects import ConnectionOptions, Dialect, Password
from chassis.settings import BadEnvironmentError, Settings

CONNECT_SECONDS = 5
STATEMENT_SECONDS = 10
LOCK_SECONDS = 2
"""A person waits so long without a sign of life; a request that gets no lock in this time is better repeated."""
IDLE_IN_TRANSACTION_SECONDS = 30
"""Longer than the relay may wait for SNS with its rows locked. After it the server releases a lost client's locks."""


def dialect_of(url: str) -> Dialect:
    """The dialect of postgresql://... or mysql://..."""
    # Imported here: a service pays only for the driver that it uses.
    if sa.make_url(url).get_backend_name() == "mysql":
        from chassis.mysql import MYSQL

        return MYSQL
    from chassis.postgresql import POSTGRESQL

    return POSTGRESQL


def database_url(settings: Settings) -> str:
    if settings.database_url is None:
        raise BadEnvironmentError("DATABASE_URL: is not set")
    return settings.database_url


def password_from(settings: Settings) -> Password | None:
    """The configured password; with database_iam_auth a new RDS token for each connection; None without either."""
    if settings.database_iam_auth:
        url = sa.make_url(database_url(settings))
        port = url.port or dialect_of(database_url(settings)).port
        return aws.rds_tokens(url.host or "", port, url.username or "")
    if settings.database_password is not None:
        return settings.database_password.get_secret_value()
    return None


def connection_options(
    application_name: str, password: Password | None, *, statement_seconds: int = STATEMENT_SECONDS
) -> ConnectionOptions:
    return ConnectionOptions(
        application_name=application_name,
        password=password,
        statement_seconds=statement_seconds,
        lock_seconds=LOCK_SECONDS,
        idle_seconds=IDLE_IN_TRANSACTION_SECONDS,
        connect_seconds=CONNECT_SECONDS,
    )


def create_engine(url: str, options: ConnectionOptions, *, ca_file: str | None, **pool: Any) -> AsyncEngine:
    """An engine whose errors contain neither parameters nor the values of rows."""
    dialect = dialect_of(url)
    engine = create_async_engine(
        dialect.driver_url(url),
        connect_args=dialect.connect_arguments(url, options, ca_file=ca_file),
        hide_parameters=True,
        **pool,
    )
    event.listen(engine.sync_engine, "handle_error", dialect.redact_values)
    return engine
