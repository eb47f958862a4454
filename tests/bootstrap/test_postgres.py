"""The bootstrap on real PostgreSQL servers, as a master user who is no superuser."""

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, cast

import psycopg
import pytest

from infra.bootstrap import postgres
from tests.bootstrap.conftest import MASTER, Rds


@contextmanager
def master(rds: Rds) -> Iterator[postgres.Connection]:
    """The master's connection. It may grant rds_iam, as on RDS.

    Since PostgreSQL 16 only who administers a role may grant it. On RDS the master may without being a member; here it
    is made one for as long as it is connected.
    """
    with rds.connect() as connection:
        if rds.major >= 16:
            rds.run(f"GRANT rds_iam TO {MASTER} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
        yield connection
    if rds.major >= 16:
        rds.run(f"REVOKE rds_iam FROM {MASTER} CASCADE")


def provisioned(rds: Rds, database: str, user: str) -> list[str]:
    with master(rds) as connection:
        return postgres.provision(connection, database, user)


def fresh() -> str:
    return f"service_{secrets.token_hex(4)}"


def may_connect(rds: Rds, role: str, database: str) -> bool:
    return bool(rds.ask("SELECT has_database_privilege(%s, %s, 'CONNECT')", role, database)[0][0])


def memberships(rds: Rds, role: str) -> list[tuple[Any, ...]]:
    """Who is a member of the role, directly or not, in whatever way."""
    return rds.ask(
        "SELECT rolname FROM pg_roles WHERE pg_has_role(oid, %s::name, 'MEMBER') AND rolname <> %s AND NOT rolsuper",
        role,
        role,
    )


def test_a_service_owns_its_database_and_signs_in_by_iam(rds: Rds) -> None:
    name = fresh()
    with master(rds) as connection:
        assert postgres.provision(connection, name, name) == [
            f"made the role {name}",
            f"made the database {name}",
            f"{name} is closed to all but {name}",
            f"{name} signs in by IAM",
        ]
        with rds.connect(name, "a token", name) as own:
            own.execute("CREATE TABLE orders (id int)")


def test_a_service_cannot_make_others_sign_in_by_iam(rds: Rds) -> None:
    """Who could grant rds_iam would lock the master user out."""
    name = fresh()
    granted = "SELECT roleid::regrole::text, admin_option FROM pg_auth_members WHERE member = %s::regrole"
    with master(rds) as connection:
        postgres.provision(connection, name, name)

        assert rds.ask(granted, name) == [(postgres.IAM, False)]


def test_another_service_of_the_same_server_cannot_connect(rds: Rds) -> None:
    name, other = fresh(), fresh()
    with master(rds) as connection:
        for each in (name, other):
            postgres.provision(connection, each, each)

        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            rds.connect(other, "a token", name)

    assert may_connect(rds, name, name)
    assert not may_connect(rds, "public", name)


def test_a_second_run_changes_nothing(rds: Rds) -> None:
    name = fresh()
    with master(rds) as connection:
        postgres.provision(connection, name, name)
        assert postgres.provision(connection, name, name) == []


def test_a_statement_and_a_wait_for_a_lock_end(rds: Rds) -> None:
    name = fresh()
    with master(rds) as connection:
        postgres.provision(connection, name, name)

        for setting in ("lock_timeout", "statement_timeout"):
            assert connection.execute(f"SHOW {setting}".encode()).fetchone() == ("2min",)


def test_the_master_is_no_member_of_the_service_and_still_has_to_give_its_password(rds: Rds) -> None:
    name = fresh()
    provisioned(rds, name, name)
    rds.run(f"GRANT rds_iam TO {name}")

    rds.connect().close()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        rds.connect(MASTER, "wrong")
    assert memberships(rds, name) == []
    assert rds.ask("SELECT 1 FROM pg_roles WHERE rolname = %s", postgres.HELPER) == []


def test_the_service_cannot_make_roles_or_databases(rds: Rds) -> None:
    name = fresh()
    provisioned(rds, name, name)

    attributes = "rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls"
    assert rds.ask(f"SELECT {attributes} FROM pg_roles WHERE rolname = %s", name) == [  # noqa: S608
        (True, False, False, False, False, False)
    ]


def test_several_at_once_make_everything_once(rds: Rds) -> None:
    name = fresh()

    def run() -> list[str]:
        with rds.connect() as connection:
            return postgres.provision(connection, name, name)

    if rds.major >= 16:  # without the right to grant rds_iam; test_a_service_owns_its_database has it
        rds.run("ALTER ROLE rds_iam RENAME TO rds_iam_away")
    try:
        with ThreadPoolExecutor(4) as threads:
            done = [line for run_ in [threads.submit(run) for _ in range(4)] for line in run_.result()]
    finally:
        if rds.major >= 16:
            rds.run("ALTER ROLE rds_iam_away RENAME TO rds_iam")

    assert done.count(f"made the database {name}") == done.count(f"made the role {name}") == 1


class Killed(Exception):
    pass


class Mortal:
    """A connection that is lost before one of its statements: the first that is neither counted down nor spared."""

    def __init__(self, connection: postgres.Connection, statements: int, before: str) -> None:
        self._connection, self._left, self._before = connection, statements, before

    def execute(self, statement: Any, *parameters: Any) -> Any:
        if not self._left or (self._before and self._before in str(statement)):
            self._connection.close()
            raise Killed
        self._left -= 1
        return self._connection.execute(statement, *parameters)


def killed(rds: Rds, name: str, after: int = 1000, before: str = "") -> bool:
    """Whether the run ended after so many statements, or before the one with this text in it."""
    with master(rds) as connection:
        try:
            postgres.provision(cast(postgres.Connection, Mortal(connection, after, before)), name, name)
        except Killed:
            return True
        return False


@pytest.mark.slow  # two dozen runs
def test_a_run_that_was_killed_anywhere_is_completed_by_the_next(rds: Rds) -> None:
    for statements in range(40):
        name = fresh()
        was_killed = killed(rds, name, after=statements)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            rds.connect(MASTER, "wrong")  # the next run is let in

        provisioned(rds, name, name)

        assert rds.ask("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s", name) == [(name,)]
        assert not may_connect(rds, "public", name)
        assert memberships(rds, name) == []
        if not was_killed:
            assert statements > 10
            return
    pytest.fail("a run takes 40 statements and more")


@pytest.mark.slow
@pytest.mark.parametrize("name", ['a"b', "it's", "two words", "semi;colon", "per%cent", "back\\slash", "Upper"])
def test_any_name_will_do(rds: Rds, name: str) -> None:
    database = f"{name} {secrets.token_hex(4)}"
    provisioned(rds, database, name)

    assert rds.ask("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s", database) == [(name,)]


def test_a_database_of_somebody_else_is_left_alone(rds: Rds) -> None:
    name = fresh()
    rds.run(f"CREATE DATABASE {name}")

    with (
        rds.connect() as connection,
        pytest.raises(postgres.Refused, match=f"{name} belongs to postgres, not to {name}"),
    ):
        postgres.provision(connection, name, name)

    assert rds.ask("SELECT 1 FROM pg_roles WHERE rolname = %s", name) == []


def test_a_database_that_is_open_to_all_is_closed_again(rds: Rds) -> None:
    name = fresh()
    assert killed(rds, name, before="REVOKE")
    assert may_connect(rds, "public", name)

    assert f"{name} is closed to all but {name}" in provisioned(rds, name, name)
    assert not may_connect(rds, "public", name)


def test_a_server_without_iam_says_so(rds: Rds) -> None:
    name = fresh()
    rds.run("ALTER ROLE rds_iam RENAME TO rds_iam_away")
    try:
        with rds.connect() as connection:
            done = postgres.provision(connection, name, name)
    finally:
        rds.run("ALTER ROLE rds_iam_away RENAME TO rds_iam")

    assert done[-1] == f"rds_iam is not here: {name} has no way to sign in by IAM"
