"""A database and a role for each service, on the laptop's PostgreSQL server or, where one is declared, its MySQL."""

import secrets
from pathlib import Path
from typing import Any, ClassVar

import psycopg
import pulumi
import pymysql
from psycopg import sql
from pulumi.dynamic import Resource

from infra.local import mysql, postgresql
from infra.local.files import write_private
from infra.local.provider import EnsuringProvider, Properties

CONNECT_SECONDS = 5


class _ClusterProvider(EnsuringProvider):
    replaces: ClassVar[tuple[str, ...]] = ("directory",)
    server: ClassVar[Any] = postgresql
    sign: ClassVar[str] = "PG_VERSION"
    """What is in the folder of a server that has been made."""

    def ensure(self, inputs: Properties, before: Properties) -> Properties:
        data, password = Path(inputs["directory"]) / "data", _password_file(inputs["directory"])
        password.parent.mkdir(parents=True, exist_ok=True)
        if not password.exists():
            write_private(password, secrets.token_urlsafe(24))
        self.server.initialise(data, password)
        return {}

    def present(self, properties: Properties) -> bool:
        return (Path(properties["directory"]) / "data" / self.sign).exists()

    def remove(self, properties: Properties) -> None:
        """Leaves the data: it goes with `make down PURGE=1` only."""


class _MysqlClusterProvider(_ClusterProvider):
    server: ClassVar[Any] = mysql
    sign: ClassVar[str] = mysql.GRANTS


class Cluster(Resource, module="local", name="PostgresCluster"):
    """The files of a PostgreSQL server, with the password of its superuser beside them."""

    directory: pulumi.Output[str]

    def __init__(self, name: str, directory: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(_ClusterProvider(), name, {"name": name, "directory": directory}, opts)


class MysqlCluster(Resource, module="local", name="MysqlCluster"):
    """The files of a MySQL server, with the password of its administrator beside them."""

    directory: pulumi.Output[str]

    def __init__(self, name: str, directory: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(_MysqlClusterProvider(), name, {"name": name, "directory": directory}, opts)


def _password_file(directory: str) -> Path:
    return Path(directory) / "password"


class _DatabaseProvider(EnsuringProvider):
    outputs: ClassVar[tuple[str, ...]] = ("password",)
    replaces: ClassVar[tuple[str, ...]] = ("name", "cluster")
    away: ClassVar[tuple[type[Exception], ...]] = (psycopg.OperationalError, pymysql.err.OperationalError)

    def ensure(self, inputs: Properties, before: Properties) -> Properties:
        password = before.get("password") or secrets.token_urlsafe(24)
        name = sql.Identifier(inputs["name"])
        with _superuser(inputs) as connection:
            role = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [inputs["name"]]).fetchone()
            verb = sql.SQL("ALTER ROLE" if role else "CREATE ROLE")
            connection.execute(sql.SQL("{} {} LOGIN PASSWORD {}").format(verb, name, sql.Literal(password)))
            if not _exists(connection, inputs["name"]):
                connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, name))
            connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
        return {"password": password}

    def present(self, properties: Properties) -> bool:
        try:
            with _superuser(properties) as connection:
                return _exists(connection, properties["name"])
        except (psycopg.OperationalError, OSError):
            return False

    def remove(self, properties: Properties) -> None:
        """Leaves the data: it goes with `make down PURGE=1` only."""


class _MysqlDatabaseProvider(_DatabaseProvider):
    def ensure(self, inputs: Properties, before: Properties) -> Properties:
        password = before.get("password") or secrets.token_urlsafe(24)
        # A name in a declaration has letters, digits and underscores, and the password what `token_urlsafe` gives.
        name, user = inputs["name"], f"'{inputs['name']}'@'127.0.0.1'"
        with _administrator(inputs) as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE IF NOT EXISTS `{name}`")
            cursor.execute(f"CREATE USER IF NOT EXISTS {user}")
            cursor.execute(f"ALTER USER {user} IDENTIFIED BY '{password}'")
            cursor.execute(f"GRANT ALL PRIVILEGES ON `{name}`.* TO {user}")
        return {"password": password}

    def present(self, properties: Properties) -> bool:
        try:
            with _administrator(properties) as connection, connection.cursor() as cursor:
                return bool(cursor.execute("SHOW DATABASES LIKE %s", [properties["name"]]))
        except (pymysql.Error, OSError):
            return False


class Database(Resource, module="local", name="Database"):
    """A database with a role of the same name, which reaches no other database."""

    name: pulumi.Output[str]
    password: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        cluster: Cluster | MysqlCluster,
        port: pulumi.Input[int],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        provider = _DatabaseProvider() if isinstance(cluster, Cluster) else _MysqlDatabaseProvider()
        properties = {"name": name, "cluster": cluster.directory, "port": port, "password": None}
        hidden = pulumi.ResourceOptions(additional_secret_outputs=["password"])
        super().__init__(provider, name, properties, pulumi.ResourceOptions.merge(opts, hidden))


def _superuser(properties: Properties) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(
        host="127.0.0.1",
        port=int(properties["port"]),
        user=postgresql.SUPERUSER,
        password=_password_file(properties["cluster"]).read_text(),
        dbname="postgres",
        connect_timeout=CONNECT_SECONDS,
        autocommit=True,
    )


def _administrator(properties: Properties) -> "pymysql.Connection[Any]":
    return pymysql.connect(
        host="127.0.0.1",
        port=int(properties["port"]),
        user=mysql.ADMINISTRATOR,
        password=_password_file(properties["cluster"]).read_text(),
        connect_timeout=CONNECT_SECONDS,
        autocommit=True,
    )


def _exists(connection: psycopg.Connection[tuple[object, ...]], name: str) -> bool:
    return connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is not None
