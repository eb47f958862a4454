"""The bootstrap on MySQL.

No MySQL server is among Debian's packages, and AWSAuthenticationPlugin is Amazon's alone. So the statements are
compared letter by letter, and run on MariaDB, where that is installed, with a plugin that it has.
"""

import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pymysql
import pytest
from pymysql.converters import escape_string

from infra.bootstrap import mysql
from infra.bootstrap.settings import Master, Settings
from infra.local import servers
from tests.bootstrap.authority import issue
from tests.fixtures import free_port, wait_for

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


@dataclass(frozen=True, kw_only=True)
class MariaDb:
    port: int
    password: str
    folder: Path

    def settings(self, host: str = "127.0.0.1", ca_file: Path | None = None) -> Settings:
        return Settings(
            engine="mysql",
            host=host,
            port=self.port,
            database="",
            user="",
            ca_file=ca_file or self.folder / "ca.pem",
            master_secret_arn="",
            deadline_seconds=0,
        )

    @property
    def master(self) -> Master:
        return Master(username="platform", password=self.password)

    def answers(self) -> bool:
        try:
            mysql.connect(self.settings(), self.master).close()
        except pymysql.err.OperationalError:
            return False
        return True


@pytest.fixture(scope="module")
def mariadb() -> Iterator[MariaDb]:
    server = shutil.which("mariadbd")
    if server is None:
        pytest.skip("mariadbd is not on PATH (Debian: mariadb-server-core)")
    with tempfile.TemporaryDirectory(prefix="shop-mariadb-") as name:
        folder, account = Path(name), servers.account()
        issue(folder)
        folder.chmod(0o755)
        rds = MariaDb(port=free_port(), password=secrets.token_urlsafe(16), folder=folder)
        data = folder / "data"
        data.mkdir()
        for path in (data, folder / "server.pem", folder / "server.key"):
            account.own(path)
        subprocess.run(
            ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal"],
            check=True,
            capture_output=True,
        )
        for path in data.rglob("*"):
            account.own(path)
        (folder / "init.sql").write_text(
            f"CREATE USER platform@'%' IDENTIFIED BY '{rds.password}';\n"
            "GRANT ALL PRIVILEGES ON *.* TO platform@'%' WITH GRANT OPTION;\n"
        )
        options = [f"--datadir={data}", f"--port={rds.port}", "--bind-address=127.0.0.1", "--skip-name-resolve"]
        options += [f"--socket={data}/s", f"--init-file={folder}/init.sql", "--require-secure-transport=1"]
        options += [f"--ssl-cert={folder}/server.pem", f"--ssl-key={folder}/server.key"]
        process = subprocess.Popen(
            [*account.prefix, server, "--no-defaults", *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for(rds.answers, 30, "MariaDB answers")
            yield rds
        finally:
            process.terminate()
            process.wait(timeout=20)


def test_a_user_has_its_own_database_and_a_second_run_changes_nothing(
    mariadb: MariaDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mysql, "PLUGIN", "unix_socket")
    with mysql.connect(mariadb.settings(), mariadb.master) as connection:
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


def test_a_user_that_had_a_password_signs_in_by_iam_alone(mariadb: MariaDb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mysql, "PLUGIN", "unix_socket")
    with mysql.connect(mariadb.settings(), mariadb.master) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE USER payments@'%' IDENTIFIED BY 'old'")
        mysql.provision(connection, "payments", "payments")
        cursor.execute("SELECT plugin FROM mysql.user WHERE user = 'payments'")

        assert cursor.fetchall() == (("unix_socket",),)


def test_a_server_without_iam_authentication_is_an_error_that_names_the_plugin(mariadb: MariaDb) -> None:
    with (
        mysql.connect(mariadb.settings(), mariadb.master) as connection,
        pytest.raises(mysql.ERRORS, match="AWSAuthenticationPlugin"),
    ):
        mysql.provision(connection, "pricing", "pricing")


def test_a_server_that_cannot_prove_who_it_is_gets_no_password(mariadb: MariaDb, tmp_path: Path) -> None:
    issue(tmp_path)

    with pytest.raises(pymysql.err.OperationalError, match="certificate verify failed"):
        mysql.connect(mariadb.settings(ca_file=tmp_path / "ca.pem"), mariadb.master)
    with pytest.raises(pymysql.err.OperationalError, match="Hostname mismatch"):
        mysql.connect(mariadb.settings(host="localhost"), mariadb.master)
