"""The bootstrap on MySQL.

No MySQL server is among Debian's packages, and AWSAuthenticationPlugin is Amazon's alone. So the statements are
compared letter by letter, and run on MariaDB, where that is installed, with a plugin that it has.
"""

from pathlib import Path

import pymysql
import pytest
from pymysql.converters import escape_string

from infra.bootstrap import mysql
from infra.bootstrap.settings import Master, Settings
from infra.local import mysql as servers
from tests.authority import CERTIFICATE, issue
from tests.mysql import Mysql

IAM = "IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS' REQUIRE SSL"


def quoted(text: str) -> str:
    return f"'{escape_string(text)}'"


def test_the_statements_are_these() -> None:
    assert mysql.statements("orders", "orders", quoted) == [
        "CREATE DATABASE IF NOT EXISTS `orders` CHARACTER SET utf8mb4",
        f"CREATE USER IF NOT EXISTS 'orders'@'%' {IAM}",
        f"ALTER USER 'orders'@'%' {IAM}",
        "GRANT ALL PRIVILEGES ON `orders`.* TO 'orders'@'%'",
    ]


def test_a_granted_name_is_no_pattern() -> None:
    assert mysql.statements("a_b%c\\d", "u", quoted)[-1] == r"GRANT ALL PRIVILEGES ON `a\_b\%c\\d`.* TO 'u'@'%'"


def test_names_are_quoted() -> None:
    made = mysql.statements("o`r", "o'r", quoted)

    assert made[0] == "CREATE DATABASE IF NOT EXISTS `o``r` CHARACTER SET utf8mb4"
    assert made[1] == f"CREATE USER IF NOT EXISTS 'o\\'r'@'%' {IAM}"


def settings_of(server: Mysql, host: str = "127.0.0.1", ca_file: Path | None = None) -> Settings:
    found = ca_file or server.ca_file
    assert found is not None
    return Settings(
        engine="mysql",
        host=host,
        port=server.port,
        database="",
        user="",
        ca_file=found,
        master_secret_arn="",
        region="",
        deadline_seconds=0,
    )


def master_of(server: Mysql) -> Master:
    return Master(username=servers.ADMINISTRATOR, password=server.password)


def test_a_user_has_its_own_database_and_a_second_run_changes_nothing(
    mysql_with_tls: Mysql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mysql, "PLUGIN", "unix_socket")
    with mysql.connect(settings_of(mysql_with_tls), master_of(mysql_with_tls)) as connection:
        assert mysql.provision(connection, "stock_a", "o'rders") == [
            "made the database stock_a",
            "made the user o'rders, who signs in by IAM",
        ]
        assert mysql.provision(connection, "stock_a", "o'rders") == []

        with connection.cursor() as cursor:
            cursor.execute("SHOW GRANTS FOR `o'rders`@`%`")
            login, database = [row[0] for row in cursor.fetchall()]
    assert "IDENTIFIED VIA unix_socket USING 'RDS' REQUIRE SSL" in login
    assert database == r"GRANT ALL PRIVILEGES ON `stock\_a`.* TO `o'rders`@`%`"


def test_a_user_that_had_a_password_signs_in_by_iam_alone(
    mysql_with_tls: Mysql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mysql, "PLUGIN", "unix_socket")
    with (
        mysql.connect(settings_of(mysql_with_tls), master_of(mysql_with_tls)) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("CREATE USER payments@'%' IDENTIFIED BY 'old'")
        mysql.provision(connection, "payments", "payments")
        cursor.execute("SELECT plugin FROM mysql.user WHERE user = 'payments'")

        assert cursor.fetchall() == (("unix_socket",),)


def test_a_server_without_iam_authentication_is_an_error_that_names_the_plugin(mysql_with_tls: Mysql) -> None:
    with (
        mysql.connect(settings_of(mysql_with_tls), master_of(mysql_with_tls)) as connection,
        pytest.raises(mysql.ERRORS, match="AWSAuthenticationPlugin"),
    ):
        mysql.provision(connection, "pricing", "pricing")


def test_a_server_that_cannot_prove_who_it_is_gets_no_password(mysql_with_tls: Mysql, tmp_path: Path) -> None:
    issue(tmp_path)

    with pytest.raises(pymysql.err.OperationalError, match="certificate verify failed"):
        mysql.connect(settings_of(mysql_with_tls, ca_file=tmp_path / CERTIFICATE), master_of(mysql_with_tls))
    with pytest.raises(pymysql.err.OperationalError, match="Hostname mismatch"):
        mysql.connect(settings_of(mysql_with_tls, host="localhost"), master_of(mysql_with_tls))
