import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from chassis import inbox, migrations, outbox
from chassis.database import Database
from chassis.engine import dialect_of
from chassis.settings import Settings

from tests.fixtures import FreshDatabase, Postgres
from tests.mysql import Mysql

pytestmark = pytest.mark.slow

ENV = "import sqlalchemy as sa\nfrom chassis.migrations import run_env\nrun_env(sa.MetaData())\n"
FIRST = """
from alembic import op
from chassis.migrations import create_inbox, create_outbox
revision, down_revision = "0001", None

def upgrade():
    op.execute("CREATE TABLE steps (name varchar(20))")
    create_outbox()
    create_inbox()
    op.execute("INSERT INTO steps VALUES ('first')")
"""
SLOW = "import time\n" + FIRST + "    time.sleep(0.3)\n"
SECOND = """
from alembic import op
revision, down_revision = "0002", "0001"

def upgrade():
    op.execute("INSERT INTO steps VALUES ('second')")
"""

THIRD = SECOND + '    op.execute("ALTER TABLE steps ADD size integer")\n'

MakePackage = Callable[..., str]


@pytest.fixture
def make_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakePackage:
    """Puts versions into a package of migrations that can be imported; returns its name."""
    root = tmp_path / "100%"  # a percent sign is special in Alembic's configuration
    monkeypatch.syspath_prepend(str(root))
    package = f"service_{uuid4().hex}"

    def make(*versions: str) -> str:
        folder = root / package / "migrations"
        (folder / "versions").mkdir(parents=True, exist_ok=True)
        (folder / "env.py").write_text(ENV)
        for number, version in enumerate(versions, 1):
            (folder / "versions" / f"{number:04}_step.py").write_text(version)
        return f"{package}.migrations"

    return make


@pytest.fixture
def fresh_database(server: Postgres | Mysql) -> Iterator[FreshDatabase]:
    with server.fresh_database() as database:
        yield database


@pytest.fixture
def settings(fresh_database: FreshDatabase) -> Settings:
    return Settings.model_validate(_environment(fresh_database))


async def test_an_upgrade_brings_a_database_to_the_head(settings: Settings, make_package: MakePackage) -> None:
    await migrations.upgrade(settings, make_package(FIRST, SECOND))
    assert await _steps(settings) == ["first", "second"]


async def test_a_second_upgrade_runs_what_is_new_and_nothing_else(
    settings: Settings, make_package: MakePackage
) -> None:
    for versions in ((FIRST,), (FIRST, SECOND), (FIRST, SECOND)):
        await migrations.upgrade(settings, make_package(*versions))
    assert await _steps(settings) == ["first", "second"]


async def test_migrations_started_by_three_processes_at_once_run_once(
    settings: Settings, fresh_database: FreshDatabase, make_package: MakePackage
) -> None:
    program = (
        "import asyncio, sys; from chassis.migrations import upgrade; from chassis.settings import Settings; "
        "settings = Settings(); print('ready', flush=True); sys.stdin.read(); "
        "asyncio.run(upgrade(settings, sys.argv[1]))"
    )
    package = make_package(SLOW, SECOND)
    environment = {name.upper(): value for name, value in _environment(fresh_database).items()}
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program, package),
            env=os.environ | environment | {"PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
    async with asyncio.timeout(30):
        assert [await process.wait() for process in processes] == [0, 0, 0]
    assert await _steps(settings) == ["first", "second"]


async def test_a_migration_that_fails_leaves_nothing_and_the_next_one_starts_anew(
    settings: Settings, make_package: MakePackage
) -> None:
    with pytest.raises(sa.exc.DBAPIError, match="nonsense"):
        await migrations.upgrade(settings, make_package(FIRST, SECOND + '    op.execute("SELECT nonsense")\n'))
    if dialect_of(str(settings.database_url)).name == "mysql":
        # A table that is made is there to stay: only what the failed version wrote is undone.
        assert await _steps(settings) == ["first"]
    else:
        assert await _tables(settings) == set()
    await migrations.upgrade(settings, make_package(FIRST, SECOND))
    assert await _steps(settings) == ["first", "second"]


async def test_a_migration_that_cannot_lock_its_table_gives_up(
    settings: Settings, make_package: MakePackage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "TABLE_LOCK_SECONDS", 1)
    await migrations.upgrade(settings, make_package(FIRST))
    database = Database.from_settings(settings)
    await database.open()
    async with database.transaction() as tx:
        await tx.execute(sa.text("UPDATE steps SET name = 'zeroth'"))
        with pytest.raises(sa.exc.DBAPIError, match=r"(lock|Lock wait) timeout"):
            await migrations.upgrade(settings, make_package(FIRST, THIRD))
    await database.close()


async def test_who_waits_too_long_for_its_turn_gives_up(
    settings: Settings, make_package: MakePackage, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = make_package(FIRST)
    database = Database.from_settings(settings)
    await database.open()
    async with database.transaction() as tx:
        assert await dialect_of(database.url).try_migration_lock(tx)
        monkeypatch.setattr(migrations, "MIGRATION_LOCK_SECONDS", 0.1)
        with pytest.raises(TimeoutError):
            await migrations.upgrade(settings, package)
    await database.close()
    assert await _tables(settings) == set()


async def test_two_databases_of_one_server_are_migrated_at_the_same_time(
    server: Postgres | Mysql, settings: Settings, make_package: MakePackage
) -> None:
    database = Database.from_settings(settings)
    await database.open()
    with server.fresh_database() as other:
        async with database.transaction() as tx:
            assert await dialect_of(database.url).try_migration_lock(tx)
            await migrations.upgrade(Settings.model_validate(_environment(other)), make_package(FIRST))
    await database.close()


async def test_the_helpers_make_the_tables_that_the_code_uses(settings: Settings, make_package: MakePackage) -> None:
    await migrations.upgrade(settings, make_package(FIRST))
    made = await _inspect(settings, lambda inspector: [_described(inspector, name) for name in ("outbox", "inbox")])
    text, long_text, time, uuid = (
        ("VARCHAR", "MEDIUMTEXT", "DATETIME", "CHAR")
        if dialect_of(str(settings.database_url)).name == "mysql"
        else ("TEXT", "TEXT", "TIMESTAMP", "UUID")
    )
    assert made == [
        (
            {
                "position": "BIGINT",
                "aggregate_id": text,
                "event_type": text,
                "body": long_text,
                "traceparent": text,
                "created_at": time,
                "refusals": "INTEGER",
                "retry_at": time,
            },
            {"outbox_aggregate"},
        ),
        ({"event_id": uuid, "received_at": time}, {"inbox_received_at"}),
    ]
    assert [set(table.columns.keys()) for table in (outbox.table, inbox.table)] == [set(columns) for columns, _ in made]


async def test_a_package_that_does_not_exist_is_named(settings: Settings) -> None:
    with pytest.raises(ModuleNotFoundError, match=r"chassis\.nothing"):
        await migrations.upgrade(settings, "chassis.nothing")


def _environment(database: FreshDatabase) -> dict[str, str]:
    return {
        "service_name": "tiny",
        "service_version": "1",
        "environment": "local",
        "database_url": database.url,
        "database_password": database.password,
    }


def _kind(found: Any) -> str:
    """Without length and collation."""
    kind: str = found.__visit_name__.upper()
    return kind


def _described(inspector: sa.Inspector, table: str) -> tuple[dict[str, str], set[str | None]]:
    columns = {column["name"]: _kind(column["type"]) for column in inspector.get_columns(table)}
    return columns, {index["name"] for index in inspector.get_indexes(table)}


async def _inspect(settings: Settings, look: Callable[[sa.Inspector], Any]) -> Any:
    database = Database.from_settings(settings)
    await database.open()
    async with database.connection() as connection:
        found = await connection.run_sync(lambda sync: look(sa.inspect(sync)))
    await database.close()
    return found


async def _tables(settings: Settings) -> set[str]:
    found: set[str] = await _inspect(settings, lambda inspector: set(inspector.get_table_names()))
    return found


async def _steps(settings: Settings) -> list[str]:
    database = Database.from_settings(settings)
    await database.open()
    async with database.connection() as connection:
        steps = list(await connection.scalars(sa.text("SELECT name FROM steps")))
    await database.close()
    return steps
