import asyncio
import traceback
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
import sqlalchemy as sa
import time_machine
from chassis import aws, outbox
from chassis.database import DATABASE_ERRORS, Database, signal_outbox_after_commit, unit_of_work
from chassis.engine import dialect_of
from chassis.settings import Settings
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chassis.tests.messaging import cleared, effects, opened, texts, unopened
from tests.fixtures import FreshDatabase, Postgres, eventually, free_port
from tests.mysql import Mysql

PING_LIMITS = ("chassis.database.PING_SECONDS", "chassis.engine.CONNECT_SECONDS")
NEVER_SECONDS = 3600
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
async def database(home: FreshDatabase) -> AsyncIterator[Database]:
    async with cleared(home, pool_size=2) as database:
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


async def test_each_statement_of_autocommit_is_kept_by_itself(home: FreshDatabase) -> None:
    async with cleared(home, pool_size=2) as database:
        async with database.autocommit() as connection:
            await connection.execute(effects.insert(), {"text": "kept"})
            assert await texts(database) == ["kept"]
            with pytest.raises(sa.exc.DBAPIError):
                await connection.execute(sa.text("SELECT * FROM nowhere"))
        assert await texts(database) == ["kept"]


async def test_after_autocommit_a_connection_makes_transactions_again(home: FreshDatabase) -> None:
    async def write_and_fail(database: Database) -> None:
        async with database.transaction() as tx:
            await tx.execute(effects.insert(), {"text": "lost"})
            raise LookupError

    async with cleared(home, pool_size=1) as database:
        async with database.autocommit() as connection:
            await connection.execute(effects.insert(), {"text": "kept"})
        with pytest.raises(LookupError):
            await write_and_fail(database)
        assert await texts(database) == ["kept"]


async def test_a_connection_for_reads_cannot_write(database: Database) -> None:
    with pytest.raises(sa.exc.DBAPIError, match=r"(?i)read.only transaction"):
        async with database.connection() as connection:
            await connection.execute(effects.insert(), {"text": "lost"})
    async with database.transaction() as tx:
        await tx.execute(effects.insert(), {"text": "kept"})


async def test_the_signal_comes_after_a_commit_and_not_after_a_rollback(database: Database) -> None:
    async def signal_and_fail() -> None:
        async with database.transaction() as tx:
            signal_outbox_after_commit(tx)
            raise LookupError

    with pytest.raises(LookupError):
        await signal_and_fail()
    async with database.transaction():
        pass
    assert not database.outbox_signal.is_set()
    async with database.transaction() as tx:
        signal_outbox_after_commit(tx)
        assert not database.outbox_signal.is_set()
    assert database.outbox_signal.is_set()


async def test_what_a_transaction_gathers_is_written_before_its_commit_and_not_by_another(database: Database) -> None:
    class Sum:
        def __init__(self) -> None:
            self.amount = 0

        async def write(self, tx: AsyncConnection) -> None:
            if self.amount:
                await tx.execute(effects.insert(), {"text": str(self.amount)})
            self.amount = 0

    async def gather_and_fail() -> None:
        async with database.transaction() as tx:
            unit_of_work(tx, Sum).amount += 1
            raise LookupError

    with pytest.raises(LookupError):
        await gather_and_fail()
    async with database.transaction() as tx:
        for _ in range(3):
            unit_of_work(tx, Sum).amount += 1
        assert await texts(database) == []

    assert await texts(database) == ["3"]


async def test_who_waits_too_long_for_a_connection_is_told_so(
    home: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.database.POOL_WAIT_SECONDS", 0.1)
    async with opened(home, pool_size=1) as database, database.connection():
        with pytest.raises(sa.exc.TimeoutError):
            await database.ping()


async def test_who_waits_too_long_for_a_lock_gets_an_error_that_may_pass(
    home: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.engine.LOCK_SECONDS", 1)
    row = sa.select(effects).with_for_update()
    async with cleared(home, pool_size=2) as database:
        async with database.transaction() as tx:
            await tx.execute(effects.insert(), {"text": "wanted"})
        async with database.transaction() as holder, database.transaction() as other:
            await holder.execute(row)
            with pytest.raises(sa.exc.DBAPIError) as caught:
                await other.execute(row)
    assert dialect_of(home.url).is_transient(caught.value)


async def test_an_error_of_the_statement_itself_does_not_pass(database: Database) -> None:
    with pytest.raises(sa.exc.DBAPIError) as caught:
        await _fail(database, "SELECT nonsense")
    assert not dialect_of(database.url).is_transient(caught.value)


async def test_a_connection_that_the_server_closed_is_replaced(server: Postgres | Mysql, database: Database) -> None:
    name = str(sa.make_url(database.url).database)
    async with database.connection() as connection:
        raw = await connection.get_raw_connection()
        driver = raw.driver_connection
    server.shut(name)
    server.reopen(name)

    async def noticed() -> bool:
        return dialect_of(database.url).is_closed(driver)

    await eventually(noticed)
    await database.ping()


async def test_a_transaction_sees_what_others_commit_meanwhile(home: FreshDatabase, database: Database) -> None:
    async with database.transaction() as tx:
        seen = [len((await tx.execute(sa.select(effects))).all())]
        async with database.transaction() as other:
            await other.execute(effects.insert(), {"text": "new"})
        seen.append(len((await tx.execute(sa.select(effects))).all()))
    assert seen == [0, 1]


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
async def test_a_database_that_is_down_fails_the_ping_and_not_the_opening(scheme: str) -> None:
    database = Database(f"{scheme}://nobody@127.0.0.1:{free_port()}/nothing")
    await database.open()
    with pytest.raises(DATABASE_ERRORS) as caught:
        await database.ping()
    await database.close()
    error = caught.value
    assert isinstance(error, OSError) or (
        isinstance(error, sa.exc.DBAPIError) and dialect_of(database.url).is_transient(error)
    )


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
@pytest.mark.parametrize("limit", PING_LIMITS)
async def test_a_database_that_never_answers_fails_the_ping_in_time(
    scheme: str, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in PING_LIMITS:
        monkeypatch.setattr(each, 0.1 if each == limit else NEVER_SECONDS)
    release = asyncio.Event()

    async def say_nothing(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    database = Database(f"{scheme}://nobody@127.0.0.1:{port}/nothing")
    await database.open()
    with pytest.raises(DATABASE_ERRORS):
        await database.ping()
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
        if database.dialect == "postgresql":
            names = ("application_name", "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
            values = [await connection.scalar(sa.text(f"SHOW {name}")) for name in names]
            assert values == ["shop", "10s", "2s", "30s"]
        else:
            names = ("innodb_lock_wait_timeout", "lock_wait_timeout", "max_statement_time", "idle_transaction_timeout")
            values = [int(await connection.scalar(sa.text(f"SELECT @@{name}")) or 0) for name in names]
            assert values == [2, 2, 10, 30]


async def test_an_error_does_not_quote_the_values_of_a_statement(database: Database) -> None:
    with pytest.raises(sa.exc.DBAPIError, match="nonsense") as caught:
        await _fail(database, "SELECT :value, nonsense", value="a secret")
    assert "a secret" not in str(caught.value)


async def test_an_error_does_not_quote_the_values_of_a_row(database: Database) -> None:
    row = {"text": "person@example.com\nof 'two' lines"}
    async with database.transaction() as tx:
        await tx.execute(sa.text("DROP TABLE IF EXISTS unique_texts"))
        await tx.execute(sa.text("CREATE TABLE unique_texts (text varchar(40) UNIQUE)"))
        await tx.execute(sa.text("INSERT INTO unique_texts VALUES (:text)"), row)
    with pytest.raises(sa.exc.IntegrityError, match=r"(?i)duplicate") as caught:
        await _fail(database, "INSERT INTO unique_texts VALUES (:text)", **row)
    shown = "".join(traceback.format_exception(caught.value))
    assert "example" not in shown
    assert "lines" not in shown


async def test_a_moment_is_the_same_on_the_way_back(database: Database) -> None:
    given = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=2)))
    async with database.transaction() as tx:
        row = {"aggregate_id": "a", "event_type": "b", "body": "c", "created_at": given}
        await tx.execute(outbox.table.insert(), row)
        assert await tx.scalar(sa.select(outbox.table.c.created_at)) == given
        assert await tx.scalar(sa.select(outbox.table.c.position).where(outbox.table.c.created_at <= given))


async def test_text_is_compared_character_by_character(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute(outbox.table.insert(), {"aggregate_id": "Aé", "event_type": "b", "body": "\U0001f375"})
        same = sa.select(outbox.table.c.body).where(outbox.table.c.aggregate_id == sa.bindparam("id"))
        assert [await tx.scalar(same, {"id": name}) for name in ("Aé", "aé", "Ae")] == ["\U0001f375", None, None]


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


async def test_settings_with_a_password_open_the_database(home: FreshDatabase) -> None:
    database = Database.from_settings(_settings(home.url, database_password=home.password))
    await database.open()
    await database.ping()
    await database.close()
    assert home.url.startswith(database.dialect)


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
    with time_machine.travel(NOON, tick=False):
        ours = await aws.rds_tokens(*address)()
        theirs = boto3.Session().client("rds").generate_db_auth_token(*address)

    assert (_query(ours), ours.split("?")[0]) == (_query(theirs), theirs.split("?")[0])


@pytest.mark.usefixtures("credentials")
async def test_with_iam_authentication_the_token_is_the_password(
    postgres: Postgres, fresh_database: FreshDatabase
) -> None:
    role = sa.make_url(fresh_database.url).username
    token = aws.rds_tokens(postgres.host, postgres.port, str(role))
    database = Database.from_settings(_settings(fresh_database.url, database_iam_auth=True))
    await database.open()
    with time_machine.travel(NOON, tick=False):  # a token is another one each second
        postgres.run(f"ALTER ROLE {role} PASSWORD '{await token()}'")
        await database.ping()
    await database.close()


async def _fail(database: Database, statement: str, **values: str) -> None:
    async with database.transaction() as tx:
        await tx.execute(sa.text(statement), values)


def _settings(url: str, **given: object) -> Settings:
    fields = {"service_name": "tiny", "service_version": "1", "environment": "local", "database_url": url}
    return Settings.model_validate(fields | given)


def _query(token: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(f"https://{token}").query)
