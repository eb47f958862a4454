"""Column types and SQL functions for PostgreSQL and MySQL (also MariaDB), compiled to the spelling of each."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement
from sqlalchemy.types import TypeEngine


class UtcDateTime(sa.TypeDecorator[datetime]):
    """A moment in microseconds: aware and in UTC in Python, TIMESTAMPTZ in PostgreSQL, DATETIME(6) of UTC in MySQL."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "mysql":
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(sa.DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None or dialect.name != "mysql":
            return value
        if value.tzinfo is None:
            raise ValueError("a time without a zone is no moment")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value if value is None or value.tzinfo is not None else value.replace(tzinfo=UTC)


def text(max_length: int) -> TypeEngine[str]:
    """Text that is compared character by character; MySQL needs to know how long it can get to have an index on it."""
    return sa.Text().with_variant(mysql.VARCHAR(max_length, collation="utf8mb4_bin"), "mysql")


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
