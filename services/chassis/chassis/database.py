"""PostgreSQL by SQLAlchemy Core on asyncpg: one pool in a process, bounded in number and in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from chassis import aws
from chassis.settings import BadEnvironmentError, Settings

Password = str | Callable[[], Awaitable[str]]
"""A password, or what makes a fresh one for each new connection."""

DATABASE_ERRORS = (SQLAlchemyError, OSError)
"""What an operation may raise. SQLAlchemy leaves errors of the network as they are while it connects."""

CONNECT_SECONDS = 5
STATEMENT_SECONDS = 10
IDLE_IN_TRANSACTION_SECONDS = 30
"""Longer than the relay may wait for SNS with its rows locked; then a lost client's locks are given up."""
POOL_WAIT_SECONDS = 5
PING_SECONDS = 2

_SIGNAL = "signal_after_commit"


class Database:
    """A service's own database.

    `url` is postgresql://role@host:port/name, with ?sslmode=... as libpq has it. At most `pool_size` connections are
    open; who waits longer than POOL_WAIT_SECONDS for one gets sqlalchemy.exc.TimeoutError.
    """

    def __init__(
        self, url: str, *, password: Password | None = None, pool_size: int = 5, application_name: str = "shop"
    ) -> None:
        self.pool_size = pool_size
        self.signalled = asyncio.Event()
        self.url = url
        self._password = password
        self._application_name = application_name
        self._engine: AsyncEngine | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> Database:
        """Reads database_url, database_password, database_iam_auth, database_pool_size and service_name."""
        url = database_url(settings)
        return cls(
            url,
            password=password_from(settings),
            pool_size=settings.database_pool_size,
            application_name=settings.service_name,
        )

    async def open(self) -> None:
        """Makes the pool. Connects to nothing yet: a database that is down makes a service unready, not dead."""
        self._engine = create_async_engine(
            driver_url(self.url),
            connect_args=connect_arguments(self._password, self._application_name),
            pool_size=self.pool_size,
            max_overflow=0,
            hide_parameters=True,  # an error's text goes to the log, a person's data does not
            pool_timeout=POOL_WAIT_SECONDS,
        )
        event.listen(self._engine.sync_engine, "checkout", _refuse_closed)

    async def close(self) -> None:
        if self._engine is not None:
            await self._engine.dispose()
            self._engine = None

    async def ping(self) -> None:
        """Returns when the database answers; raises what went wrong, TimeoutError after PING_SECONDS."""
        async with asyncio.timeout(PING_SECONDS), self.connection() as connection:
            await connection.execute(sa.text("SELECT 1"))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Commits at the end of the block, rolls back when it raises."""
        async with self._open_engine().connect() as connection:
            connection.info.pop(_SIGNAL, None)
            async with connection.begin():
                yield connection
            if connection.info.pop(_SIGNAL, False):
                self.signalled.set()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """For reads only: PostgreSQL refuses to write in it."""
        async with self._open_engine().connect() as connection:
            yield await connection.execution_options(postgresql_readonly=True)

    def _open_engine(self) -> AsyncEngine:
        if self._engine is None:
            raise RuntimeError("the database is not open")
        return self._engine


def signal_after_commit(tx: AsyncConnection) -> None:
    """Sets `signalled` of the Database that tx came from, once tx is committed."""
    tx.info[_SIGNAL] = True


def database_url(settings: Settings) -> str:
    if settings.database_url is None:
        raise BadEnvironmentError("DATABASE_URL: is not set")
    return settings.database_url


def password_from(settings: Settings) -> Password | None:
    """The given password; an RDS token per connection with database_iam_auth; None when there is neither."""
    if settings.database_iam_auth:
        url = sa.make_url(database_url(settings))
        return aws.rds_tokens(url.host or "", url.port or 5432, url.username or "")
    if settings.database_password is not None:
        return settings.database_password.get_secret_value()
    return None


def driver_url(url: str) -> sa.URL:
    """The same address for asyncpg, which calls libpq's `sslmode` `ssl`."""
    parsed = sa.make_url(url)
    query = {("ssl" if name == "sslmode" else name): value for name, value in parsed.query.items()}
    return parsed.set(drivername="postgresql+asyncpg", query=query)


def connect_arguments(
    password: Password | None, application_name: str, statement_seconds: int = STATEMENT_SECONDS
) -> dict[str, Any]:
    """Arguments of asyncpg.connect: every step has a time-out, on the server and, should it be gone, on the client."""
    arguments: dict[str, Any] = {
        "timeout": CONNECT_SECONDS,
        "command_timeout": statement_seconds + 2,
        "server_settings": {
            "application_name": application_name,
            "statement_timeout": f"{statement_seconds}s",
            "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_SECONDS}s",
        },
    }
    return arguments if password is None else arguments | {"password": password}


def _refuse_closed(connection: Any, record: Any, proxy: Any) -> None:
    """Replaces a connection that the server has closed. Unlike SQLAlchemy's pre-ping it costs no round trips."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError
