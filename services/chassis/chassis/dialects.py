"""What differs between PostgreSQL and MySQL (also MariaDB): how to connect, and what an error means.

`chassis.postgresql` and `chassis.mysql` implement `Dialect`; `chassis.engine.dialect_of` chooses between them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import sqlalchemy as sa
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

DialectName = Literal["postgresql", "mysql"]

Password = str | Callable[[], Awaitable[str]]
"""A password, or what makes a fresh one for each new connection."""


@dataclass(frozen=True, kw_only=True)
class ConnectionOptions:
    """The name and the time-outs of every connection of a pool.

    statement_seconds: how long a statement may take.
    lock_seconds: how long a statement may wait for a lock.
    idle_seconds: how long a transaction may do nothing before the server ends it.
    connect_seconds: how long the server may take to accept a connection.
    """

    application_name: str
    password: Password | None
    statement_seconds: int
    lock_seconds: int
    idle_seconds: int
    connect_seconds: int


class Dialect(Protocol):
    name: DialectName
    port: int
    """Where a server listens by default."""
    connect_errors: tuple[type[Exception], ...]
    """What the driver raises when it cannot connect, where SQLAlchemy does not wrap it into its own errors."""

    def driver_url(self, url: str) -> sa.URL:
        """The same address, as SQLAlchemy needs it for the driver."""

    def connect_arguments(self, url: str, options: ConnectionOptions, *, ca_file: str | None) -> dict[str, Any]:
        """The arguments of the driver's connect(). ca_file: root certificates to trust in place of the system's."""

    async def read_only(self, connection: AsyncConnection) -> AsyncConnection:
        """Begins a transaction in which the server refuses to write."""

    def is_closed(self, driver_connection: Any) -> bool:
        """Whether the server has closed this connection, as far as the client knows; sends nothing."""

    def is_transient(self, error: DBAPIError) -> bool:
        """Whether the same statement may succeed a moment later.

        So it is when the server is away, starting, stopping or full, and when a lock was not granted in time.
        """

    def redact_values(self, context: ExceptionContext) -> None:
        """Removes the values of rows from the texts of an error."""

    async def try_migration_lock(self, connection: AsyncConnection) -> bool:
        """Takes the lock for migrating this database until the connection ends; False when another one holds it."""

    async def set_lock_timeout(self, connection: AsyncConnection, seconds: int) -> None:
        """How long the statements of this connection wait for a lock from now on."""
