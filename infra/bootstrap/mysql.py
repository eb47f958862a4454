"""A database and its user on MySQL, made by RDS's master user.

Every statement may be repeated, and runs by itself: no lock is needed for several at once.
"""

from collections.abc import Callable
from typing import Any

import pymysql

from infra.bootstrap.settings import Master, Settings

CONNECT_SECONDS = 5
STATEMENT_SECONDS = 120

PLUGIN = "AWSAuthenticationPlugin"
"""RDS's own: its users sign in with IAM tokens. A server without IAM authentication does not have it (error 1524)."""

CONNECTING = (pymysql.err.OperationalError,)
ERRORS = (pymysql.err.MySQLError,)

Connection = pymysql.Connection


def connect(settings: Settings, master: Master) -> "Connection[Any]":
    """The server's certificate has to be good, and be made for this host."""
    return pymysql.connect(
        host=settings.host,
        port=settings.port,
        user=master.username,
        password=master.password,
        ssl_ca=str(settings.ca_file),
        ssl_verify_cert=True,
        ssl_verify_identity=True,
        charset="utf8mb4",
        connect_timeout=CONNECT_SECONDS,
        read_timeout=STATEMENT_SECONDS,
        write_timeout=STATEMENT_SECONDS,
        autocommit=True,
    )


def provision(connection: "Connection[Any]", database: str, user: str) -> list[str]:
    """Sees to it that `user` may do everything in `database`, alone, and signs in with IAM. Returns what it did.

    Raises:
        pymysql.err.MySQLError: the server refuses a statement, or is gone
    """
    done: list[str] = []
    with connection.cursor() as cursor:
        if not cursor.execute("SELECT 1 FROM information_schema.schemata WHERE schema_name = %s", [database]):
            done.append(f"made the database {database}")
        if not cursor.execute("SELECT 1 FROM mysql.user WHERE user = %s AND host = '%%'", [user]):
            done.append(f"made the user {user}, who signs in by IAM")
        for statement in statements(database, user, connection.escape):
            cursor.execute(statement)
    return done


def statements(database: str, user: str, escape: Callable[[str], str]) -> list[str]:
    """`escape` makes a quoted string of a text, as this server reads it."""
    account = f"{escape(user)}@'%'"
    login = f"IDENTIFIED WITH {PLUGIN} AS 'RDS' REQUIRE SSL"
    return [
        f"CREATE DATABASE IF NOT EXISTS {_identifier(database)} CHARACTER SET utf8mb4",
        f"CREATE USER IF NOT EXISTS {account} {login}",
        # One that was there may have had a password.
        f"ALTER USER {account} {login}",
        f"GRANT ALL PRIVILEGES ON {_identifier(_literal(database))}.* TO {account}",
    ]


def _identifier(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _literal(name: str) -> str:
    r"""In GRANT a database's name is a pattern: `a_b` is `axb`, too, and with it another service's data."""
    return name.replace("\\", "\\\\").replace("_", r"\_").replace("%", r"\%")
