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
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chassis import engine
from chassis.dialects import DialectName, Password
from chassis.settings import Settings

DATABASE_ERRORS = (SQLAlchemyError, OSError)
"""What an operation may raise. SQLAlchemy leaves errors of the network as they are while it connects."""

POOL_WAIT_SECONDS = 5
PING_SECONDS = 2

_BEFORE_COMMIT = "before_commit"


class UnitOfWork(Protocol):
    """Collects the changes of a transaction, and writes them before its commit."""

    async def write(self, tx: AsyncConnection) -> None:
        """Writes the changes that were collected since the last call."""


W = TypeVar("W", bound=UnitOfWork)


@dataclass
class _BeforeCommit:
    """What a transaction will do just before its commit. signal: whether it has filled the outbox."""

    units: dict[Callable[..., UnitOfWork], UnitOfWork] = field(default_factory=dict)
    inserts: dict[sa.Insert, list[dict[str, Any]]] = field(default_factory=dict)
    signal: bool = False


class Database:
    """A service's own database.

    `url` is postgresql://role@host:port/name, with ?sslmode=... as libpq has it, or mysql://user@host:port/name, with
    ?ssl-mode=VERIFY_IDENTITY for TLS; ca_file has the roots for that. At most `pool_size` connections are open; a
    caller that waits longer than POOL_WAIT_SECONDS for one gets sqlalchemy.exc.TimeoutError.
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
        self.outbox_signal = asyncio.Event()
        """Set when a transaction that filled the outbox is committed: the relay waits for it."""
        self.url = url
        self._dialect = engine.dialect_of(url)
        self._password = password
        self._application_name = application_name
        self._ca_file = ca_file
        self._engine: AsyncEngine | None = None
        self._autocommit: AsyncEngine | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> Database:
        """Reads database_url, _password, _iam_auth and _pool_size, pgsslrootcert and service_name."""
        url = engine.database_url(settings)
        return cls(
            url,
            password=engine.password_from(settings),
            pool_size=settings.database_pool_size,
            application_name=settings.service_name,
            ca_file=settings.pgsslrootcert,
        )

    @property
    def dialect(self) -> DialectName:
        """For SQL that a service has to write differently for each."""
        return self._dialect.name

    async def open(self) -> None:
        """Makes the pool. Connects to nothing yet: a database that is down makes a service unready, not dead."""
        self._engine = engine.create_engine(
            self.url,
            engine.connection_options(self._application_name, self._password),
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
            before_commit = info[_BEFORE_COMMIT] = _BeforeCommit()
            try:
                async with connection.begin():
                    yield connection
                    await flush(connection)
            finally:
                del info[_BEFORE_COMMIT]
            if before_commit.signal:
                self.outbox_signal.set()

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


def _opened(opened: AsyncEngine | None) -> AsyncEngine:
    if opened is None:
        raise RuntimeError("the database is not open")
    return opened


def signal_outbox_after_commit(tx: AsyncConnection) -> None:
    """Sets `outbox_signal` of the Database that tx came from, once tx is committed."""
    _before_commit(tx).signal = True


def insert_before_commit(tx: AsyncConnection, statement: sa.Insert, row: dict[str, Any]) -> None:
    """Inserts the row just before tx commits: all rows of one statement in one round trip, in the order of these calls.

    A rollback to a savepoint does not undo it.
    """
    _before_commit(tx).inserts.setdefault(statement, []).append(row)


def unit_of_work(tx: AsyncConnection, make: Callable[[], W]) -> W:
    """The transaction's unit of work: made by make() at the first call, and written before the commit.

    A rollback to a savepoint does not undo what it has collected.
    """
    units: dict[Any, Any] = _before_commit(tx).units
    if make not in units:
        units[make] = make()
    found: W = units[make]
    return found


async def flush(tx: AsyncConnection) -> None:
    """Writes now what is collected for the commit, by units of work and by insert_before_commit."""
    before_commit = _before_commit(tx)
    for unit in before_commit.units.values():
        await unit.write(tx)
    inserts, before_commit.inserts = before_commit.inserts, {}
    for statement, rows in inserts.items():
        await tx.execute(statement, rows)


def _before_commit(tx: AsyncConnection) -> _BeforeCommit:
    found: _BeforeCommit | None = tx.info.get(_BEFORE_COMMIT)
    if found is None:
        raise RuntimeError("not in a transaction of Database.transaction()")
    return found
