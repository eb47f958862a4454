import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
import sqlalchemy as sa
from chassis import aws
from chassis.database import CONNECT_SECONDS, Database, signal_after_commit
from chassis.settings import Settings

from services.chassis.tests.messaging import effects, opened, texts, unopened
from tests.fixtures import FreshDatabase, Postgres, eventually, free_port


@pytest.fixture
async def database(fresh_database: FreshDatabase) -> AsyncIterator[Database]:
    async with opened(fresh_database, pool_size=2) as database:
        yield database


async def test_a_transaction_commits_at_the_end_of_its_block(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute(effects.insert(), {"text": "kept"})
        assert await texts(database) == []
    assert await texts(database) == ["kept"]


async def test_a_transaction_that_raises_leaves_nothing(database: Database) -> None:
    async def write_and_fail() -> None:
        async with database.transaction() as tx:
            await tx.execute(effects.insert(), {"text": "lost"})
            raise LookupError

    with pytest.raises(LookupError):
        await write_and_fail()
    assert await texts(database) == []


async def test_a_connection_for_reads_cannot_write(database: Database) -> None:
    with pytest.raises(sa.exc.DBAPIError, match="read-only transaction"):
        async with database.connection() as connection:
            await connection.execute(effects.insert(), {"text": "lost"})
    async with database.transaction() as tx:
        await tx.execute(effects.insert(), {"text": "kept"})


async def test_the_signal_comes_after_a_commit_and_not_after_a_rollback(database: Database) -> None:
    async def signal_and_fail() -> None:
        async with database.transaction() as tx:
            signal_after_commit(tx)
            raise LookupError

    with pytest.raises(LookupError):
        await signal_and_fail()
    async with database.transaction():
        pass
    assert not database.signalled.is_set()
    async with database.transaction() as tx:
        signal_after_commit(tx)
        assert not database.signalled.is_set()
    assert database.signalled.is_set()


async def test_who_waits_too_long_for_a_connection_is_told_so(
    fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.database.POOL_WAIT_SECONDS", 0.1)
    async with opened(fresh_database, pool_size=1) as database, database.connection():
        with pytest.raises(sa.exc.TimeoutError):
            await database.ping()


async def test_a_connection_that_the_server_closed_is_replaced(postgres: Postgres, database: Database) -> None:
    async with database.connection() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        pid = await connection.scalar(sa.text("SELECT pg_backend_pid()"))
    postgres.run(f"SELECT pg_terminate_backend({pid})")

    async def noticed() -> bool:
        return bool(driver.is_closed())

    await eventually(noticed)
    await database.ping()


async def test_a_database_that_is_down_fails_the_ping_and_not_the_opening() -> None:
    database = Database(f"postgresql://nobody@127.0.0.1:{free_port()}/nothing")
    await database.open()
    with pytest.raises(ConnectionRefusedError):
        await database.ping()
    await database.close()


async def test_a_database_that_never_answers_fails_the_ping_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chassis.database.PING_SECONDS", 0.1)
    release = asyncio.Event()

    async def say_nothing(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    database = Database(f"postgresql://nobody@127.0.0.1:{port}/nothing")
    await database.open()
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        await database.ping()
    assert time.monotonic() - started < CONNECT_SECONDS
    await database.close()
    release.set()
    server.close()
    await server.wait_closed()


async def test_a_database_that_is_not_open_says_so(fresh_database: FreshDatabase) -> None:
    with pytest.raises(RuntimeError, match="not open"):
        await unopened(fresh_database).ping()


async def test_a_server_without_tls_is_refused_where_tls_is_required(fresh_database: FreshDatabase) -> None:
    database = Database(f"{fresh_database.url}?sslmode=require", password=fresh_database.password)
    await database.open()
    with pytest.raises(ConnectionError, match="SSL"):
        await database.ping()
    await database.close()


async def test_every_session_has_its_time_outs(database: Database) -> None:
    async with database.connection() as connection:
        names = ("application_name", "statement_timeout", "idle_in_transaction_session_timeout")
        values = [await connection.scalar(sa.text(f"SHOW {name}")) for name in names]
    assert values == ["shop", "10s", "30s"]


async def test_an_error_does_not_quote_the_values_of_a_statement(database: Database) -> None:
    with pytest.raises(sa.exc.DBAPIError) as caught:
        async with database.transaction() as tx:
            await tx.execute(sa.text("SELECT :value, 1 / 0"), {"value": "a secret"})
    assert "division by zero" in str(caught.value)
    assert "a secret" not in str(caught.value)


async def test_the_password_is_made_anew_for_each_connection(fresh_database: FreshDatabase) -> None:
    given: list[str] = []

    async def password() -> str:
        given.append(fresh_database.password)
        return fresh_database.password

    database = Database(fresh_database.url, password=password, pool_size=2)
    await database.open()
    async with database.connection() as first, database.connection() as second:
        await first.scalar(sa.text("SELECT 1"))
        await second.scalar(sa.text("SELECT 1"))
    await database.ping()
    await database.close()
    assert len(given) == 2


async def test_settings_with_a_password_open_the_database(fresh_database: FreshDatabase) -> None:
    database = Database.from_settings(_settings(fresh_database.url, database_password=fresh_database.password))
    await database.open()
    async with database.connection() as connection:
        assert await connection.scalar(sa.text("SHOW application_name")) == "tiny"
    await database.close()


def test_settings_without_a_database_are_refused() -> None:
    with pytest.raises(ValueError, match="DATABASE_URL"):
        Database.from_settings(Settings(service_name="tiny", service_version="1", environment="local"))


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example/secret+key")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "session/token==")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    aws.session.cache_clear()
    yield
    aws.session.cache_clear()


@pytest.mark.usefixtures("credentials")
async def test_an_rds_token_is_the_one_that_boto_makes() -> None:
    address = ("db.example.com", 5432, "orders")

    async def made_in_one_second() -> bool:
        ours = await aws.rds_tokens(*address)()
        theirs = boto3.Session().client("rds").generate_db_auth_token(*address)
        return _query(ours) == _query(theirs) and ours.split("?")[0] == theirs.split("?")[0]

    await eventually(made_in_one_second)


@pytest.mark.usefixtures("credentials")
async def test_with_iam_authentication_the_token_is_the_password(
    postgres: Postgres, fresh_database: FreshDatabase
) -> None:
    role = sa.make_url(fresh_database.url).username
    token = aws.rds_tokens(postgres.host, postgres.port, str(role))
    database = Database.from_settings(_settings(fresh_database.url, database_iam_auth=True))
    await database.open()

    async def opened_within_one_second() -> bool:
        postgres.run(f"ALTER ROLE {role} PASSWORD '{await token()}'")
        try:
            await database.ping()
        except sa.exc.DBAPIError:
            return False
        return True

    await eventually(opened_within_one_second)
    await database.close()


def _settings(url: str, **given: object) -> Settings:
    fields = {"service_name": "tiny", "service_version": "1", "environment": "local", "database_url": url}
    return Settings.model_validate(fields | given)


def _query(token: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(f"https://{token}").query)
