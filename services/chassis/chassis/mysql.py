"""MySQL 8.4 and MariaDB 10.6 or newer, by aiomysql."""

from __future__ import annotations

import asyncio
import re
import ssl
from typing import Any

import sqlalchemy as sa
from aiomysql.connection import Connection  # type: ignore[import-untyped]
from pymysql.constants import CLIENT, CR, ER
from pymysql.err import Error, OperationalError
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.dialects import ConnectionOptions, DialectName

PATIENCE_SECONDS = 2
"""How much longer than the server's own time-out a client waits for it."""
CLEAR_PASSWORD = "mysql_clear_password"  # noqa: S105 (the name of a plugin)

# What MySQL alone executes: MariaDB leaves out comments of these versions. And the other way round.
_ONLY_MYSQL, _ONLY_MARIADB = "/*!50720 {} */", "/*M! {} */"
_TRANSIENT = frozenset(
    {
        *(CR.CR_CONN_HOST_ERROR, CR.CR_SERVER_GONE_ERROR, CR.CR_SERVER_LOST),
        *(ER.CON_COUNT_ERROR, ER.TOO_MANY_USER_CONNECTIONS, ER.USER_LIMIT_REACHED, ER.SERVER_SHUTDOWN),
        *(ER.LOCK_WAIT_TIMEOUT, ER.LOCK_DEADLOCK),
    }
)
# Duplicate entry 'ada@example.com' for key 'email'; Incorrect integer value: 'x' for column 'n' at row 1
_VALUE = re.compile(r"(Duplicate entry|value:?) '.*'(?= for (?:key|column) |$)", re.DOTALL)


class Mysql:
    name: DialectName = "mysql"
    port = 3306
    connect_errors: tuple[type[Exception], ...] = ()

    def driver_url(self, url: str) -> sa.URL:
        return sa.make_url(url).set(drivername="mysql+aiomysql", query={})

    def connect_arguments(self, url: str, options: ConnectionOptions, *, ca_file: str | None) -> dict[str, Any]:
        """Every step has a time-out, on the server as far as it has one, and on the client.

        With ?ssl-mode=VERIFY_IDENTITY TLS to a server that proves its name, else none. A password that is made for
        each connection is a token of RDS, which is sent as it is: ValueError without TLS.
        """
        tls = "ssl-mode" in sa.make_url(url).query
        if callable(options.password) and not tls:
            raise ValueError("a token is sent as it is, so the URL needs ssl-mode=VERIFY_IDENTITY")
        return {
            "async_creator_fn": _connect,
            "options": options,
            "charset": "utf8mb4",
            "program_name": options.application_name,
            "init_command": _initialise(options),
            "ssl": ssl.create_default_context(cafile=ca_file) if tls else None,
        }

    async def read_only(self, connection: AsyncConnection) -> AsyncConnection:
        await connection.exec_driver_sql("START TRANSACTION READ ONLY")
        return connection

    def is_closed(self, driver_connection: Any) -> bool:
        if driver_connection.closed:
            return True
        reader = driver_connection._reader
        return bool(reader.eof_received or reader.exception())

    def is_transient(self, error: DBAPIError) -> bool:
        return error.connection_invalidated or _code(error) in _TRANSIENT

    def redact_values(self, context: ExceptionContext) -> None:
        refused = context.original_exception
        if not isinstance(refused, Error) or len(refused.args) < 2:
            return
        text = str(refused.args[1])
        kept = _VALUE.sub(r"\1", text)
        refused.args = (refused.args[0], kept)
        outer = context.sqlalchemy_exception
        if outer is not None and kept != text:
            kind = type(refused)
            outer.args = (f"({kind.__module__}.{kind.__name__}) {refused}", *outer.args[1:])

    async def try_migration_lock(self, connection: AsyncConnection) -> bool:
        """Named after the database: a lock is one of the whole server."""
        name = sa.func.concat("migrations ", sa.func.md5(sa.func.database()))
        return bool(await connection.scalar(sa.select(sa.func.get_lock(name, 0))))

    async def set_lock_timeout(self, connection: AsyncConnection, seconds: int) -> None:
        names = ("innodb_lock_wait_timeout", "lock_wait_timeout")
        await connection.execute(sa.text("SET SESSION " + ", ".join(f"{name} = {seconds}" for name in names)))


MYSQL = Mysql()


class _Connection(Connection):  # type: ignore[misc]
    """With what aiomysql lacks: a time-out on every answer, and no way to talk without TLS when it is asked for."""

    def __init__(self, *, options: ConnectionOptions, **given: Any) -> None:
        super().__init__(**given)
        self.client_flag &= ~CLIENT.MULTI_STATEMENTS
        self._answer_seconds = options.statement_seconds + PATIENCE_SECONDS
        self._connect_seconds = options.connect_seconds

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(self._connect_seconds):
                await super()._connect()
        except BaseException as error:
            self.close()
            if isinstance(error, TimeoutError):
                raise OperationalError(CR.CR_CONN_HOST_ERROR, f"no answer from {self.host}") from error
            raise

    async def _get_server_information(self) -> None:
        await super()._get_server_information()
        if self._ssl_context and not self.server_capabilities & CLIENT.SSL:
            raise OperationalError(CR.CR_SSL_CONNECTION_ERROR, f"{self.host} offers no TLS")

    async def _read_query_result(self, unbuffered: bool = False) -> None:
        await self._in_time(super()._read_query_result(unbuffered))

    async def _read_ok_packet(self) -> bool:
        return bool(await self._in_time(super()._read_ok_packet()))

    async def _in_time(self, answer: Any) -> Any:
        try:
            async with asyncio.timeout(self._answer_seconds):
                return await answer
        except TimeoutError as error:
            self.close()
            raise OperationalError(CR.CR_SERVER_LOST, f"no answer within {self._answer_seconds} s") from error


async def _connect(*, options: ConnectionOptions, **given: Any) -> _Connection:
    password = options.password
    if callable(password):
        given |= {"password": await password(), "auth_plugin": CLEAR_PASSWORD}
    elif password is not None:
        given["password"] = password
    connection = _Connection(options=options, **given)
    await connection._connect()
    return connection


def _initialise(options: ConnectionOptions) -> str:
    """Read committed, as in PostgreSQL; UTC; nothing is cut off or made up to fit a column."""
    lock_seconds, milliseconds = options.lock_seconds, options.statement_seconds * 1000
    return " ".join(
        [
            "SET SESSION time_zone = '+00:00', sql_mode = 'TRADITIONAL,ONLY_FULL_GROUP_BY'",
            f", innodb_lock_wait_timeout = {lock_seconds}, lock_wait_timeout = {lock_seconds}",
            _ONLY_MYSQL.format(f", transaction_isolation = 'READ-COMMITTED', max_execution_time = {milliseconds}"),
            # MySQL has no time-out for idle transactions, so it closes idle connections.
            _ONLY_MYSQL.format(f", wait_timeout = {options.idle_seconds}"),
            _ONLY_MARIADB.format(
                f", tx_isolation = 'READ-COMMITTED', max_statement_time = {options.statement_seconds}"
            ),
            _ONLY_MARIADB.format(f", idle_transaction_timeout = {options.idle_seconds}"),
        ]
    )


def _code(error: DBAPIError) -> int | None:
    arguments = error.orig.args if error.orig is not None else ()
    return arguments[0] if arguments and isinstance(arguments[0], int) else None
