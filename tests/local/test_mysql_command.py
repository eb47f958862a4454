"""How a MySQL server of the laptop is made and run, without one: programs of the same names stand for it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pymysql
import pytest

from infra.local import databases, mysql
from infra.local.databases import _MysqlDatabaseProvider
from infra.local.postgresql import Account, ServerUnavailable
from tests.fixtures import free_port

Install = Callable[..., Path]
NOTES = """#!/bin/sh
echo "$0" "$@" > "{file}"
{then}
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a program on PATH that writes down how it is called; gives the file."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setattr(mysql, "_path", lambda: str(programs))
    monkeypatch.setattr(mysql, "account", lambda: Account(uid=-1, gid=-1, prefix=()))

    def installed(name: str, then: str = "exit 0") -> Path:
        called = tmp_path / f"{name}.called"
        (programs / name).write_text(NOTES.format(file=called, then=then))
        (programs / name).chmod(0o755)
        return called

    return installed


def settings(command: list[str]) -> set[str]:
    return {each.removeprefix("--") for each in command if each.startswith("--")}


def test_a_server_listens_on_loopback_alone_keeps_to_its_folder_and_is_small(install: Install, tmp_path: Path) -> None:
    install("mariadbd")
    data = tmp_path / "data"

    command = mysql.command(data, "3307", ["slow-query-log=ON"])

    assert command[:2] == [str(tmp_path / "bin/mariadbd"), "--no-defaults"]
    assert settings(command[2:]) == {
        f"datadir={data}",
        "port=3307",
        "bind-address=127.0.0.1",
        "socket=server.sock",
        f"pid-file={data}/server.pid",
        f"tmpdir={data}/.tmp",
        f"init-file={data}/grants.sql",
        "skip-name-resolve",
        "innodb-buffer-pool-size=64M",
        "innodb-log-buffer-size=4M",
        "performance-schema=OFF",
        "max-connections=100",
        "ignore-db-dirs=.tmp",
        "slow-query-log=ON",
    }


def test_mysql_of_oracle_opens_no_second_port_and_knows_no_folders_to_ignore(install: Install, tmp_path: Path) -> None:
    install("mysqld")

    assert {"mysqlx=OFF"} == {
        each for each in settings(mysql.command(tmp_path, "3307")) if each.startswith(("mysqlx", "ignore"))
    }


def test_the_files_of_mariadb_are_made_once_and_its_only_account_is_the_administrators(
    install: Install, tmp_path: Path
) -> None:
    install("mariadbd")
    called = install("mariadb-install-db")
    data = tmp_path / "data"
    (tmp_path / "password").write_text("hush")

    mysql.initialise(data, tmp_path / "password")

    program, *options = called.read_text().split()
    made_in = next(each.removeprefix("--datadir=") for each in options if each.startswith("--datadir="))
    assert program == str(tmp_path / "bin/mariadb-install-db")
    assert options == [
        "--no-defaults",
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
        f"--datadir={made_in}",
        f"--tmpdir={made_in}/.tmp",
    ]
    assert (data / "grants.sql").read_text().splitlines() == [
        "DELETE FROM mysql.global_priv WHERE User IN ('', 'root');",
        "FLUSH PRIVILEGES;",
        "CREATE USER IF NOT EXISTS 'platform'@'127.0.0.1' IDENTIFIED BY 'hush';",
        "GRANT ALL PRIVILEGES ON *.* TO 'platform'@'127.0.0.1' WITH GRANT OPTION;",
    ]
    assert (data / "grants.sql").stat().st_mode & 0o077 == 0
    assert (data / ".tmp").stat().st_mode & 0o777 == 0o700

    called.unlink()
    mysql.initialise(data, tmp_path / "password")
    assert not called.exists()


def test_the_files_of_mysql_are_made_by_the_server_itself(install: Install, tmp_path: Path) -> None:
    called = install("mysqld")
    (tmp_path / "password").write_text("hush")

    mysql.initialise(tmp_path / "data", tmp_path / "password")

    assert called.read_text().split()[1:3] == ["--no-defaults", "--initialize-insecure"]
    assert "DELETE FROM mysql.user WHERE" in (tmp_path / "data/grants.sql").read_text()


def test_a_server_that_cannot_be_made_leaves_nothing_and_says_why(install: Install, tmp_path: Path) -> None:
    install("mysqld", then="echo no room >&2; exit 1")
    (tmp_path / "password").write_text("hush")

    with pytest.raises(ServerUnavailable, match=r"mysqld --no-defaults --initialize-insecure` failed: no room$"):
        mysql.initialise(tmp_path / "data", tmp_path / "password")
    assert not (tmp_path / "data").exists()


def test_mariadb_is_taken_before_mysql_and_a_link_is_followed_to_what_it_is(install: Install, tmp_path: Path) -> None:
    install("mariadbd")
    (tmp_path / "bin/mysqld").symlink_to(tmp_path / "bin/mariadbd")
    assert Path(mysql.command(tmp_path, "1")[0]).name == "mariadbd"
    assert mysql.available()

    (tmp_path / "bin/mariadbd").rename(tmp_path / "bin/mariadbd-of-another-name")
    assert not mysql.available()
    with pytest.raises(ServerUnavailable, match="is needed"):
        mysql.command(tmp_path, "1")


def test_a_port_where_nobody_listens_does_not_answer() -> None:
    assert not mysql.answers(free_port())


class Cursor:
    """Of a server that says yes to everything."""

    def __init__(self) -> None:
        self.said: list[object] = []

    def __enter__(self) -> "Cursor":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def cursor(self) -> "Cursor":
        return self

    def execute(self, statement: str, parameters: object = None) -> int:
        self.said.append((statement, parameters) if parameters else statement)
        return 1


def test_a_user_of_the_laptop_gets_its_own_database_over_loopback_and_a_password_that_it_keeps(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cursor, asked = Cursor(), list[dict[str, Any]]()

    def connect(**given: Any) -> Cursor:
        asked.append(given)
        return cursor

    monkeypatch.setattr(pymysql, "connect", connect)
    (tmp_path / "password").write_text("hush")
    inputs = {"name": "orders", "cluster": str(tmp_path), "port": 3307}

    first = _MysqlDatabaseProvider().ensure(inputs, {})
    again = _MysqlDatabaseProvider().ensure(inputs, first)

    assert again == first
    assert len(first["password"]) == 32
    assert asked[0] == {
        "host": "127.0.0.1",
        "port": 3307,
        "user": "platform",
        "password": "hush",
        "connect_timeout": databases.CONNECT_SECONDS,
        "autocommit": True,
    }
    assert cursor.said[:4] == [
        "CREATE DATABASE IF NOT EXISTS `orders`",
        "CREATE USER IF NOT EXISTS 'orders'@'127.0.0.1'",
        f"ALTER USER 'orders'@'127.0.0.1' IDENTIFIED BY '{first['password']}'",
        "GRANT ALL PRIVILEGES ON `orders`.* TO 'orders'@'127.0.0.1'",
    ]
    assert _MysqlDatabaseProvider().present(inputs)
    assert cursor.said[-1] == ("SHOW DATABASES LIKE %s", ["orders"])
