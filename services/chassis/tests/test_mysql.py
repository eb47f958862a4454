"""What only MySQL has: TLS as a part of its protocol, tokens as clear passwords, no time-outs in the driver."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop
from aiomysql.connection import Connection  # type: ignore[import-untyped]
from chassis.database import Database
from chassis.dialects import Password
from chassis.engine import connection_options
from chassis.mysql import MYSQL, PATIENCE_SECONDS
from pymysql.err import OperationalError
from sqlalchemy.exc import OperationalError as SqlOperationalError

from services.chassis.tests.fake_mysql import FakeMysql, fake_mysql
from tests.authority import CERTIFICATE, issue
from tests.fixtures import FreshDatabase
from tests.mysql import Mysql

TOKEN = "db.example.com:3306/?Action=connect&" + "X-Amz-Security-Token=" + "x" * 1500


@pytest.fixture
def encrypted(mysql_with_tls: Mysql) -> Iterator[FreshDatabase]:
    with mysql_with_tls.fresh_database() as database:
        yield FreshDatabase(url=f"{database.url}?ssl-mode=VERIFY_IDENTITY", password=database.password)


# A server that is slow to answer TLS's goodbye: the loop ends before the connection, which is no loss at the end.
@pytest.mark.filterwarnings("ignore:unclosed resource:ResourceWarning")
def test_a_connection_is_encrypted_on_the_event_loop_of_a_service(
    mysql_with_tls: Mysql, encrypted: FreshDatabase
) -> None:
    async def ping() -> None:
        database = Database(encrypted.url, password=encrypted.password, ca_file=str(mysql_with_tls.ca_file))
        await database.open()
        await database.ping()
        await database.ping()
        await database.close()

    uvloop.run(ping())


async def test_a_server_that_cannot_prove_who_it_is_is_refused(
    mysql_with_tls: Mysql, encrypted: FreshDatabase, tmp_path: Path
) -> None:
    issue(tmp_path)
    elsewhere = encrypted.url.replace("127.0.0.1", "localhost")
    for url, ca_file in ((encrypted.url, tmp_path / CERTIFICATE), (elsewhere, mysql_with_tls.ca_file)):
        database = Database(url, password=encrypted.password, ca_file=str(ca_file))
        await database.open()
        with pytest.raises(SqlOperationalError, match="Can't connect"):
            await database.ping()
        await database.close()


async def test_a_token_is_sent_as_the_clear_password_over_tls(tmp_path: Path) -> None:
    async def token() -> str:
        return TOKEN

    with fake_mysql(tmp_path) as fake:
        connection = await _connect(fake, password=token)
        await connection.ensure_closed()
    (login,) = fake.logins
    assert TOKEN.encode() + b"\0" in login
    assert b"mysql_clear_password\0" in login


async def test_a_server_without_tls_learns_nothing_where_tls_is_asked_for(tmp_path: Path) -> None:
    with fake_mysql(tmp_path, tls=False) as fake, pytest.raises(OperationalError, match="offers no TLS"):
        await _connect(fake, password="a secret")
    assert fake.logins == []


def test_a_token_is_refused_where_nothing_is_encrypted() -> None:
    async def token() -> str:
        return TOKEN

    with pytest.raises(ValueError, match="VERIFY_IDENTITY"):
        MYSQL.connect_arguments("mysql://a@b/c", connection_options("tiny", token), ca_file=None)


async def test_a_server_that_stops_answering_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Callable[[Any], Any]] = [lambda connection: connection.query("SELECT 1"), Connection.commit]
    with fake_mysql(tmp_path) as fake:
        for call in calls:
            fake.silent = False
            connection = await _connect(fake, statement_seconds=10)
            assert connection._answer_seconds == 10 + PATIENCE_SECONDS
            connection._answer_seconds = 0.1
            fake.silent = True
            with pytest.raises(OperationalError, match="no answer"):
                await call(connection)
            assert MYSQL.is_closed(connection)


async def test_one_statement_at_a_time_is_all_that_a_server_is_told_to_take(tmp_path: Path) -> None:
    with fake_mysql(tmp_path) as fake:
        connection = await _connect(fake)
        await connection.ensure_closed()
    assert fake.logins[0][2] & 1 == 0  # CLIENT_MULTI_STATEMENTS is bit 16


async def _connect(fake: FakeMysql, password: Password | None = None, statement_seconds: int = 10) -> Any:
    url = f"mysql://tiny@127.0.0.1:{fake.port}/tiny?ssl-mode=VERIFY_IDENTITY"
    given = connection_options("tiny", password, statement_seconds=statement_seconds)
    arguments = MYSQL.connect_arguments(url, given, ca_file=fake.ca_file)
    connect = arguments.pop("async_creator_fn")
    return await connect(host="127.0.0.1", port=fake.port, user="tiny", db="tiny", **arguments)
