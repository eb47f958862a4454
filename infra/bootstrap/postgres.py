"""A database and its owner on PostgreSQL, made by RDS's master user, who is no superuser.

To make a database for an owner one has to be a member of the owner. But who is a member, directly or by another role,
of a role with `rds_iam` can sign in with IAM tokens only: the master user would have locked itself out. (RDS's
pg_hba.conf has a line for `+rds_iam`, and that includes who only administers the role, which since PostgreSQL 16 is
whoever made it.) So a helper role, which signs in nowhere, makes the owner and the database, and is dropped, with its
memberships, before the owner gets `rds_iam`. No role but the owner is left with a say over it.
"""

from typing import Any

import psycopg
from psycopg import sql

from infra.bootstrap.settings import Master, Settings

CONNECT_SECONDS = 5
LOCK_SECONDS = 120
STATEMENT_SECONDS = 120
ADVISORY_LOCK = 5_190_377_264

HELPER = "database_bootstrap"
IAM = "rds_iam"
"""RDS's own role: its members sign in with IAM tokens."""

CONNECTING = (psycopg.OperationalError,)
ERRORS = (psycopg.Error,)

Connection = psycopg.Connection[tuple[Any, ...]]


class Refused(Exception):
    """What is there belongs to somebody else."""


def connect(settings: Settings, master: Master) -> Connection:
    """To the server's own database. The server's certificate has to be good, and be made for this host."""
    return psycopg.connect(
        host=settings.host,
        port=settings.port,
        user=master.username,
        password=master.password,
        dbname="postgres",
        sslmode="verify-full",
        sslrootcert=str(settings.ca_file),
        connect_timeout=CONNECT_SECONDS,
        application_name="database-bootstrap",
        autocommit=True,
    )


def provision(connection: Connection, database: str, user: str) -> list[str]:
    """Sees to it that `user` owns `database`, is alone in it, and signs in with IAM. Returns what it did for that.

    One at a time on a server: the others wait, until this connection is closed.

    Raises:
        Refused: the database belongs to another role
        psycopg.Error: the server refuses a statement, or is gone
    """
    connection.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'; SET statement_timeout = '{STATEMENT_SECONDS}s'")
    connection.execute("SELECT pg_advisory_lock(%s)", [ADVISORY_LOCK])
    done: list[str] = []
    if not _complete(connection, database, user):
        done += _make(connection, database, user)
    if _role(connection, HELPER):  # the one of now, or of a run that was killed
        connection.execute(_statement("DROP ROLE {}", HELPER))
    if not _role(connection, IAM):
        done.append(f"{IAM} is not here: {user} has no way to sign in by IAM")
    elif not _row(connection, "SELECT 1 WHERE pg_has_role(%s, %s, 'MEMBER')", user, IAM):
        connection.execute(_statement("GRANT {} TO {}", IAM, user))
        done.append(f"{user} signs in by IAM")
    return done


def _complete(connection: Connection, database: str, user: str) -> bool:
    found = _row(
        connection,
        "SELECT pg_get_userbyid(datdba), has_database_privilege('public', oid, 'CONNECT') "
        "FROM pg_database WHERE datname = %s",
        database,
    )
    if found is None:
        return False
    owner, public = found
    if owner != user:
        raise Refused(f"the database {database} belongs to {owner}, not to {user}")
    return not public


def _make(connection: Connection, database: str, user: str) -> list[str]:
    done: list[str] = []
    if not _role(connection, HELPER):
        connection.execute(_statement("CREATE ROLE {} NOLOGIN CREATEDB CREATEROLE", HELPER))
    connection.execute(_statement("GRANT {} TO CURRENT_USER", HELPER))
    connection.execute(_statement("SET ROLE {}", HELPER))
    if not _role(connection, user):
        connection.execute(_statement("CREATE ROLE {} LOGIN", user))
        done.append(f"made the role {user}")
    connection.execute(_statement("GRANT {} TO CURRENT_USER", user))
    if not _row(connection, "SELECT 1 FROM pg_database WHERE datname = %s", database):
        connection.execute(_statement("CREATE DATABASE {} OWNER {}", database, user))
        done.append(f"made the database {database}")
    # Everybody may connect to a new database: also the services that share the server.
    connection.execute(_statement("REVOKE ALL ON DATABASE {} FROM PUBLIC", database))
    connection.execute("RESET ROLE")
    return [*done, f"{database} is closed to all but {user}"]


def _role(connection: Connection, name: str) -> bool:
    return _row(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", name) is not None


def _row(connection: Connection, query: str, *parameters: str) -> tuple[Any, ...] | None:
    return connection.execute(query.encode(), parameters).fetchone()


def _statement(text: str, *names: str) -> sql.Composed:
    return sql.SQL(text).format(*map(sql.Identifier, names))
