"""What differs between PostgreSQL and MySQL (also MariaDB), so that all else is written once.

A `Dialect` knows how to connect and what an error means; the SQL functions here are spelled as each server has them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Protocol
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import Dialect as SqlDialect
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement
from sqlalchemy.types import TypeEngine

DialectName = Literal["postgresql", "mysql"]

Password = str | Callable[[], Awaitable[str]]
"""A password, or what makes a fresh one for each new connection."""


@dataclass(frozen=True, kw_only=True)
class Session:
    """What every connection of a pool is made with.

    statement_seconds, lock_seconds: how long a statement may take, and how long it may wait for a lock.
    idle_seconds: how long a transaction may do nothing; then the server gives up its locks.
    connect_seconds: how long it may take until the server answers.
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
    connecting: tuple[type[Exception], ...]
    """What the driver raises as it is, without SQLAlchemy around it, while it connects in vain."""

    def driver_url(self, url: str) -> sa.URL:
        """The same address for the driver."""

    def connect_arguments(self, url: str, session: Session, *, ca_file: str | None) -> dict[str, Any]:
        """What the driver is given for a connection. ca_file: the roots of certificates, if not the usual ones."""

    async def read_only(self, connection: AsyncConnection) -> AsyncConnection:
        """Makes the server refuse to write in the transaction that begins now."""

    def is_closed(self, driver_connection: Any) -> bool:
        """Whether the server has closed it. Asks nobody."""

    def may_pass(self, error: DBAPIError) -> bool:
        """Whether the same may succeed a moment later: the server is away, starts or stops, is full, or a lock was not
        given in time."""

    def conceal(self, context: ExceptionContext) -> None:
        """Takes the values of rows out of the texts of an error."""

    async def take_turn(self, connection: AsyncConnection) -> bool:
        """Takes the lock of the migrations of this database, which ends with the connection; False when it is taken."""

    async def wait_for_locks(self, connection: AsyncConnection, seconds: int) -> None:
        """Changes how long this connection waits for a lock."""


def of(url: str) -> Dialect:
    """The dialect of postgresql://... or mysql://..."""
    # Each driver is imported where it is used.
    if sa.make_url(url).get_backend_name() == "mysql":
        from chassis.mysql import MYSQL

        return MYSQL
    from chassis.postgresql import POSTGRESQL

    return POSTGRESQL


class UtcDateTime(sa.TypeDecorator[datetime]):
    """A moment in microseconds: aware and in UTC in Python, TIMESTAMPTZ in PostgreSQL, DATETIME(6) of UTC in MySQL."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: SqlDialect) -> TypeEngine[Any]:
        if dialect.name == "mysql":
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(sa.DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: SqlDialect) -> datetime | None:
        if value is None or dialect.name != "mysql":
            return value
        if value.tzinfo is None:
            raise ValueError("a time without a zone is no moment")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: SqlDialect) -> datetime | None:
        return value if value is None or value.tzinfo is not None else value.replace(tzinfo=UTC)


def text(most_characters: int) -> TypeEngine[str]:
    """Text that is compared character by character; MySQL needs to know how long it can get to have an index on it."""
    return sa.Text().with_variant(mysql.VARCHAR(most_characters, collation="utf8mb4_bin"), "mysql")


def long_text() -> TypeEngine[str]:
    """Text of up to 16 MiB."""
    return sa.Text().with_variant(mysql.MEDIUMTEXT(collation="utf8mb4_bin"), "mysql")


def uuid() -> TypeEngine[UUID]:
    """CHAR(32) in MySQL, and in MariaDB as well."""
    return sa.Uuid(native_uuid=False).with_variant(sa.Uuid(), "postgresql")


class now(FunctionElement[datetime]):
    """The time at which the transaction (in MySQL the statement) began."""

    type = UtcDateTime()
    inherit_cache = True


class seconds_from_now(FunctionElement[datetime]):
    """seconds_from_now(n): the time n seconds later."""

    type = UtcDateTime()
    inherit_cache = True


class seconds_since(FunctionElement[float]):
    """seconds_since(time): how long ago that was."""

    type = sa.Float()
    inherit_cache = True


class one_of(FunctionElement[Any]):
    """one_of(column, parameter): whether the column is in the list that is the value of the parameter."""

    # Were it sa.Boolean(), MySQL would be asked `... = 1`, and look at every row.
    type = sa.types.NullType()
    inherit_cache = True


@compiles(now)
def _(_element: now, _compiler: SQLCompiler, **_: Any) -> str:
    return "now()"


@compiles(now, "mysql")
def _(_element: now, _compiler: SQLCompiler, **_: Any) -> str:
    return "CURRENT_TIMESTAMP(6)"


@compiles(seconds_from_now)
def _(element: seconds_from_now, compiler: SQLCompiler, **given: Any) -> str:
    return f"now() + {compiler.process(element.clauses, **given)} * interval '1 second'"


@compiles(seconds_from_now, "mysql")
def _(element: seconds_from_now, compiler: SQLCompiler, **given: Any) -> str:
    return f"CURRENT_TIMESTAMP(6) + INTERVAL {compiler.process(element.clauses, **given)} SECOND"


@compiles(seconds_since)
def _(element: seconds_since, compiler: SQLCompiler, **given: Any) -> str:
    return f"extract(epoch from now() - {compiler.process(element.clauses, **given)})"


@compiles(seconds_since, "mysql")
def _(element: seconds_since, compiler: SQLCompiler, **given: Any) -> str:
    microseconds = f"TIMESTAMPDIFF(MICROSECOND, {compiler.process(element.clauses, **given)}, CURRENT_TIMESTAMP(6))"
    return f"{microseconds} / 1000000"


@compiles(one_of)
def _(element: one_of, compiler: SQLCompiler, **given: Any) -> str:
    column, parameter = element.clauses
    # One text for lists of any length, so the statement is prepared once.
    array = sa.bindparam(parameter.key, type_=sa.ARRAY(column.type))
    return f"{compiler.process(column, **given)} = ANY ({compiler.process(array, **given)})"


@compiles(one_of, "mysql")
def _(element: one_of, compiler: SQLCompiler, **given: Any) -> str:
    column, parameter = element.clauses
    return compiler.process(column.in_(sa.bindparam(parameter.key, expanding=True, type_=column.type)), **given)
