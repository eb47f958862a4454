"""MySQL on the laptop, on a real server of this machine's."""

from pathlib import Path
from typing import Any

import pymysql
import pytest

from infra.local import mysql as servers
from infra.local.databases import _MysqlClusterProvider, _MysqlDatabaseProvider
from infra.local.postgresql import ServerUnavailable
from infra.local.provider import Properties
from tests.fixtures import free_port
from tests.local.test_providers import made
from tests.mysql import Mysql


@pytest.fixture
def cluster(mysql: Mysql, tmp_path: Path) -> Properties:
    (tmp_path / "password").write_text(mysql.password)
    return {"cluster": str(tmp_path), "port": mysql.port}


def connect(home: Properties, **other: Any) -> "pymysql.Connection[Any]":
    named = {"user": home["name"], "password": home["password"], "database": home["name"]}
    return pymysql.connect(host="127.0.0.1", port=home["port"], **(named | other))


def test_a_user_reaches_its_own_database_and_no_other(cluster: Properties) -> None:
    first = made(_MysqlDatabaseProvider(), {"name": "first", **cluster})
    second = made(_MysqlDatabaseProvider(), {"name": "second", **cluster})

    with connect(first) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE mine (id int)")
        cursor.execute("SHOW DATABASES")
        assert {name for (name,) in cursor.fetchall()} == {"first", "information_schema"}
    for foreign in ("second", "mysql"):
        with pytest.raises(pymysql.err.OperationalError, match="Access denied"):
            connect(first, database=foreign)
    with pytest.raises(pymysql.err.OperationalError, match="Access denied"):
        connect(first, password=second["password"])


def test_a_server_shares_its_temporary_files_with_no_other(mysql: Mysql) -> None:
    (temporary,) = mysql.ask("SELECT @@tmpdir")
    (data,) = mysql.ask("SELECT @@datadir")
    assert Path(temporary) == Path(data) / servers.TEMPORARY
    assert not [name for name in mysql.ask("SHOW DATABASES") if "tmp" in name]


def test_a_database_that_is_there_is_adopted_with_its_data_and_a_new_password(cluster: Properties) -> None:
    first = made(_MysqlDatabaseProvider(), {"name": "adopted", **cluster})
    with connect(first) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept AS SELECT 7 AS number")
    _MysqlDatabaseProvider().delete("adopted", first)

    again = made(_MysqlDatabaseProvider(), {"name": "adopted", **cluster})

    assert again["password"] != first["password"]
    with connect(again) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT number FROM kept")
        assert cursor.fetchall() == ((7,),)


def test_a_database_is_present_while_its_server_runs_and_has_it(cluster: Properties) -> None:
    database = made(_MysqlDatabaseProvider(), {"name": "there", **cluster})

    assert _MysqlDatabaseProvider().present(database)
    assert not _MysqlDatabaseProvider().present(database | {"name": "not_there"})
    assert not _MysqlDatabaseProvider().present(database | {"port": free_port()})


def test_a_server_lets_nobody_in_but_its_administrator(mysql: Mysql) -> None:
    for user in ("root", "", "mysql"):
        with pytest.raises(pymysql.err.OperationalError, match="Access denied"):
            pymysql.connect(host="127.0.0.1", port=mysql.port, user=user)


def test_files_of_a_server_are_made_once(mysql: Mysql, tmp_path: Path) -> None:
    inputs = {"name": "mysql", "directory": str(tmp_path)}
    assert not _MysqlClusterProvider().present(inputs)

    made(_MysqlClusterProvider(), inputs)
    password = (tmp_path / "password").read_text()
    made(_MysqlClusterProvider(), inputs)

    assert _MysqlClusterProvider().present(inputs)
    assert (tmp_path / "password").read_text() == password
    assert (tmp_path / "password").stat().st_mode & 0o077 == 0
    assert (tmp_path / "data" / servers.GRANTS).stat().st_mode & 0o077 == 0


def test_a_machine_without_a_server_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(servers, "_path", lambda: str(tmp_path))

    assert not servers.available()
    with pytest.raises(
        ServerUnavailable, match=r"apt-get install mariadb-server-core mariadb-client-core; .* or declare `postgres`"
    ):
        servers.command(tmp_path, "3306")
