"""A MySQL or MariaDB server for tests, where one is installed. Started once for a run."""

import secrets
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
import pytest

from infra.local import mysql as servers
from infra.local.postgresql import account
from tests.authority import CERTIFICATE, SERVER_CERTIFICATE, SERVER_KEY, issue
from tests.fixtures import FreshDatabase, free_port, wait_for

DURABILITY_OFF = ("innodb-flush-log-at-trx-commit=0",)


@dataclass(frozen=True, kw_only=True)
class Mysql:
    port: int
    password: str
    ca_file: Path | None = None
    """The root of its certificate; None without TLS."""

    def run(self, *statements: str) -> None:
        with self._connected() as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def ask(self, query: str) -> list[Any]:
        """The first column of the answer."""
        with self._connected() as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return [row[0] for row in cursor.fetchall()]

    def shut(self, database: str) -> None:
        """Ends all connections of the database's user, and does not let it in."""
        self.run(f"ALTER USER '{database}'@'127.0.0.1' ACCOUNT LOCK")
        for number in self.ask(f"SELECT id FROM information_schema.processlist WHERE user = '{database}'"):  # noqa: S608
            self.run(f"KILL {number}")

    def reopen(self, database: str) -> None:
        self.run(f"ALTER USER '{database}'@'127.0.0.1' ACCOUNT UNLOCK")

    @contextmanager
    def fresh_database(self) -> Iterator[FreshDatabase]:
        """An empty database with a user of its own, gone at the end."""
        name, password = f"test_{secrets.token_hex(6)}", secrets.token_urlsafe(16)
        user = f"'{name}'@'127.0.0.1'"
        self.run(
            f"CREATE DATABASE {name}",
            f"CREATE USER {user} IDENTIFIED BY '{password}'",
            f"GRANT ALL PRIVILEGES ON {name}.* TO {user}",
        )
        yield FreshDatabase(url=f"mysql://{name}@127.0.0.1:{self.port}/{name}", password=password)
        self.run(f"DROP DATABASE {name}", f"DROP USER {user}")

    def answers(self) -> bool:
        try:
            self.run("SELECT 1")
        except pymysql.err.OperationalError:
            return False
        return True

    def _connected(self) -> "pymysql.Connection[Any]":
        return pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user=servers.ADMINISTRATOR,
            password=self.password,
            autocommit=True,
            ssl_ca=str(self.ca_file) if self.ca_file else None,
        )


@contextmanager
def running_mysql(*settings: str, tls: bool = False) -> Iterator[Mysql]:
    """A server of its own, on loopback, gone at the end. With TLS it takes no connection without."""
    if not servers.available():
        pytest.skip("no MySQL or MariaDB server is installed (Debian: mariadb-server-core mariadb-client-core)")
    with tempfile.TemporaryDirectory(prefix="shop-mysql-") as name:
        folder = Path(name)
        # access() heeds no capabilities: in a folder of root's alone MariaDB takes its files for missing.
        folder.chmod(0o711)
        if tls:
            settings += _certified(folder)
        server = Mysql(
            port=free_port(), password=secrets.token_urlsafe(24), ca_file=folder / CERTIFICATE if tls else None
        )
        password_file, data = folder / "password", folder / "data"
        password_file.write_text(server.password)
        servers.initialise(data, password_file)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                servers.command(data, str(server.port), [*DURABILITY_OFF, *settings]),
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=data,
            )
        try:
            wait_for(server.answers, 30, "the MySQL server answers")
            yield server
        finally:
            process.terminate()
            process.wait(timeout=30)


def _certified(folder: Path) -> tuple[str, ...]:
    """The settings of a server with a certificate, which it makes."""
    issue(folder)
    for name in (SERVER_CERTIFICATE, SERVER_KEY):
        account().own(folder / name)
    return (
        "require-secure-transport=ON",
        f"ssl-cert={folder / SERVER_CERTIFICATE}",
        f"ssl-key={folder / SERVER_KEY}",
    )


@pytest.fixture(scope="session")
def mysql() -> Iterator[Mysql]:
    with running_mysql() as server:
        yield server


@pytest.fixture(scope="session")
def mysql_with_tls() -> Iterator[Mysql]:
    with running_mysql(tls=True) as server:
        yield server
