"""PostgreSQL or MySQL by SQLAlchemy Core: one pool in a process, bounded in number and in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from chassis import aws, dialects
from chassis.dialects import DialectName, Password, Session
from chassis.settings import BadEnvironmentError, Settings

DATABASE_ERRORS = (SQLAlchemyError, OSError)
"""What an operation may raise. SQLAlchemy leaves errors of the network as they are while it connects."""

CONNECT_SECONDS = 5
STATEMENT_SECONDS = 10
LOCK_SECONDS = 2
"""What a person waits for without a sign of life; who gets no lock in this time had better come again."""
IDLE_IN_TRANSACTION_SECONDS = 30
"""Longer than the relay may wait for SNS with its rows locked; then a lost client's locks are given up."""
POOL_WAIT_SECONDS = 5
PING_SECONDS = 2

_AT_COMMIT = "at_commit"


class Work(Protocol):
    """What a transaction gathers, to write it at its end."""

    async def write(self, tx: AsyncConnection) -> None:
        """Writes what was gathered since the last time."""


W = TypeVar("W", bound=Work)


@dataclass
class _AtCommit:
    """What is left for the end of a transaction."""

    works: dict[Callable[..., Work], Work] = field(default_factory=dict)
    inserts: dict[sa.Insert, list[dict[str, Any]]] = field(default_factory=dict)
    signal: bool = False


class Database:
    """A service's own database.

    `url` is postgresql://role@host:port/name, with ?sslmode=... as libpq has it, or mysql://user@host:port/name, with
    ?ssl-mode=VERIFY_IDENTITY for TLS; ca_file has the roots for that. At most `pool_size` connections are open; who
    waits longer than POOL_WAIT_SECONDS for one gets sqlalchemy.exc.TimeoutError.
    """

    def __init__(
        self,
        url: str,
        *,
        password: Password | None = None,
        pool_size: int = 5,
        application_name: str = "shop",
        ca_file: str | None = None,
    ) -> None:
        self.pool_size = pool_size
        self.signalled = asyncio.Event()
        """Set when something was committed that is to be published."""
        self.url = url
        self._dialect = dialects.of(url)
        self._password = password
        self._application_name = application_name
        self._ca_file = ca_file
        self._engine: AsyncEngine | None = None
        self._autocommit: AsyncEngine | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> Database:
        """Reads database_url, _password, _iam_auth and _pool_size, pgsslrootcert and service_name."""
        url = database_url(settings)
        return cls(
            url,
            password=password_from(settings),
            pool_size=settings.database_pool_size,
            application_name=settings.service_name,
            ca_file=settings.pgsslrootcert,
        )

    @property
    def dialect(self) -> DialectName:
        """For what a service can only write differently for each."""
        return self._dialect.name

    async def open(self) -> None:
        """Makes the pool. Connects to nothing yet: a database that is down makes a service unready, not dead."""
        self._engine = create_engine(
            self.url,
            session(self._application_name, self._password),
            ca_file=self._ca_file,
            pool_size=self.pool_size,
            max_overflow=0,
            pool_timeout=POOL_WAIT_SECONDS,
        )
        event.listen(self._engine.sync_engine, "checkout", self._refuse_closed)
        # Made once, on the same pool: to make one takes as long as to execute a statement.
        self._autocommit = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    async def close(self) -> None:
        if self._engine is not None:
            await self._engine.dispose()
            self._engine = self._autocommit = None

    async def ping(self) -> None:
        """Returns when the database answers; raises what went wrong, TimeoutError after PING_SECONDS."""
        async with asyncio.timeout(PING_SECONDS), self.connection() as connection:
            await connection.execute(sa.text("SELECT 1"))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Commits at the end of the block, rolls back when it raises."""
        async with _opened(self._engine).connect() as connection:
            info = connection.info  # of the pooled connection, which outlives the transaction
            at_commit = info[_AT_COMMIT] = _AtCommit()
            try:
                async with connection.begin():
                    yield connection
                    await flush(connection)
            finally:
                del info[_AT_COMMIT]
            if at_commit.signal:
                self.signalled.set()

    @asynccontextmanager
    async def autocommit(self) -> AsyncIterator[AsyncConnection]:
        """Each statement is a transaction of its own: one round trip, where transaction() takes three."""
        async with _opened(self._autocommit).connect() as connection:
            yield connection

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """For reads only: the server refuses to write in it."""
        async with _opened(self._engine).connect() as connection:
            yield await self._dialect.read_only(connection)

    def _refuse_closed(self, connection: Any, _record: Any, _proxy: Any) -> None:
        """Replaces a connection that the server has closed. Unlike SQLAlchemy's pre-ping it costs no round trips."""
        if self._dialect.is_closed(connection.driver_connection):
            raise DisconnectionError


def _opened(engine: AsyncEngine | None) -> AsyncEngine:
    if engine is None:
        raise RuntimeError("the database is not open")
    return engine


def signal_after_commit(tx: AsyncConnection) -> None:
    """Sets `signalled` of the Database that tx came from, once tx is committed."""
    _at_commit(tx).signal = True


def insert_before_commit(tx: AsyncConnection, statement: sa.Insert, row: dict[str, Any]) -> None:
    """Inserts the row at the end of tx, all rows of one statement in one round trip and in the order of these calls.

    A savepoint that is rolled back does not take them back.
    """
    _at_commit(tx).inserts.setdefault(statement, []).append(row)


def work_of(tx: AsyncConnection, make: Callable[[], W]) -> W:
    """The one that make() has made in this transaction, or makes now; it writes before the commit.

    A savepoint that is rolled back does not take back what it has gathered.
    """
    works: dict[Any, Any] = _at_commit(tx).works
    if make not in works:
        works[make] = make()
    found: W = works[make]
    return found


async def flush(tx: AsyncConnection) -> None:
    """Writes now what work_of and insert_before_commit have collected."""
    at_commit = _at_commit(tx)
    for work in at_commit.works.values():
        await work.write(tx)
    inserts, at_commit.inserts = at_commit.inserts, {}
    for statement, rows in inserts.items():
        await tx.execute(statement, rows)


def _at_commit(tx: AsyncConnection) -> _AtCommit:
    found: _AtCommit | None = tx.info.get(_AT_COMMIT)
    if found is None:
        raise RuntimeError("not in a transaction of Database.transaction()")
    return found


def database_url(settings: Settings) -> str:
    if settings.database_url is None:
        raise BadEnvironmentError("DATABASE_URL: is not set")
    return settings.database_url


def password_from(settings: Settings) -> Password | None:
    """The given password; an RDS token per connection with database_iam_auth; None when there is neither."""
    if settings.database_iam_auth:
        url = sa.make_url(database_url(settings))
        port = url.port or dialects.of(database_url(settings)).port
        return aws.rds_tokens(url.host or "", port, url.username or "")
    if settings.database_password is not None:
        return settings.database_password.get_secret_value()
    return None


def session(application_name: str, password: Password | None, *, statement_seconds: int = STATEMENT_SECONDS) -> Session:
    return Session(
        application_name=application_name,
        password=password,
        statement_seconds=statement_seconds,
        lock_seconds=LOCK_SECONDS,
        idle_seconds=IDLE_IN_TRANSACTION_SECONDS,
        connect_seconds=CONNECT_SECONDS,
    )


def create_engine(url: str, session: Session, *, ca_file: str | None, **pool: Any) -> AsyncEngine:
    """An engine whose errors quote no data: neither parameters, nor what the server says of a row."""
    dialect = dialects.of(url)
    engine = create_async_engine(
        dialect.driver_url(url),
        connect_args=dialect.connect_arguments(url, session, ca_file=ca_file),
        hide_parameters=True,
        **pool,
    )
    event.listen(engine.sync_engine, "handle_error", dialect.conceal)
    return engine
