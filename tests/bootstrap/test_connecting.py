"""How the bootstrap reaches the server and its secret, and how it ends: with everything outside of it made up."""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import psycopg
import pymysql
import pytest
from botocore.exceptions import ClientError

from infra.bootstrap import __main__ as process
from infra.bootstrap import mysql, postgres
from infra.bootstrap.settings import BadSecretError, Master, Settings
from infra.bootstrap.waiting import until_it_works

MASTER = Master(username="platform", password="hush")
SETTINGS = Settings(
    engine="postgres",
    host="orders.example",
    port=5432,
    database="orders",
    user="orders_user",
    ca_file=Path("/etc/rds/ca.pem"),
    master_secret_arn="arn:secret",
    region="eu-central-1",
    deadline_seconds=300,
)
OF_THE_MASTER = {"host": "orders.example", "port": 5432, "user": "platform", "password": "hush"}


def asked(monkeypatch: pytest.MonkeyPatch, module: Any, connect: Callable[[Settings, Master], Any]) -> dict[str, Any]:
    """What the library was given."""
    given: dict[str, Any] = {}
    monkeypatch.setattr(module, "connect", lambda **arguments: given.update(arguments))
    connect(SETTINGS, MASTER)
    return given


def test_postgresql_gets_the_password_only_when_its_certificate_is_good_and_made_for_this_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert asked(monkeypatch, psycopg, postgres.connect) == OF_THE_MASTER | {
        "dbname": "postgres",
        "sslmode": "verify-full",
        "sslrootcert": "/etc/rds/ca.pem",
        "connect_timeout": 5,
        "application_name": "database-bootstrap",
        "autocommit": True,
    }


def test_mysql_gets_the_password_only_when_its_certificate_is_good_and_made_for_this_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert asked(monkeypatch, pymysql, mysql.connect) == OF_THE_MASTER | {
        "ssl_ca": "/etc/rds/ca.pem",
        "ssl_verify_cert": True,
        "ssl_verify_identity": True,
        "charset": "utf8mb4",
        "connect_timeout": 5,
        "read_timeout": 120,
        "write_timeout": 120,
        "autocommit": True,
    }


class OnMysql:
    """A server on which databases and users are, or are not. Records what it is told."""

    def __init__(self, there: bool) -> None:
        self.there, self.told = there, list[tuple[str, Any]]()

    def cursor(self) -> "OnMysql":
        return self

    def __enter__(self) -> "OnMysql":
        return self

    def __exit__(self, *_: object) -> None: ...

    def execute(self, statement: str, parameters: Any = None) -> int:
        self.told.append((statement, parameters))
        return int(self.there)

    def escape(self, text: str) -> str:
        return f"'{text}'"


@pytest.mark.parametrize("there", [False, True])
def test_on_mysql_every_statement_runs_each_time_and_what_is_new_is_said(there: bool) -> None:
    server = OnMysql(there)
    new = ["made the database orders", "made the user orders_user, who signs in by IAM"]

    assert mysql.provision(server, "orders", "orders_user") == ([] if there else new)  # type: ignore[arg-type]
    assert server.told == [
        ("SELECT 1 FROM information_schema.schemata WHERE schema_name = %s", ["orders"]),
        ("SELECT 1 FROM mysql.user WHERE user = %s AND host = '%%'", ["orders_user"]),
        *((statement, None) for statement in mysql.statements("orders", "orders_user", server.escape)),
    ]


# The process


class Secrets:
    """Stands for Secrets Manager: refuses so many times, then answers."""

    def __init__(self) -> None:
        self.refusals = 0
        self.secret = json.dumps({"username": MASTER.username, "password": MASTER.password})
        self.clients: list[tuple[str, dict[str, Any]]] = []

    def client(self, service: str, **arguments: Any) -> "Secrets":
        self.clients.append((service, arguments))
        return self

    def get_secret_value(self, **asked_for: str) -> dict[str, str]:
        assert asked_for == {"SecretId": "arn:secret"}
        self.refusals -= 1
        if self.refusals >= 0:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "not yet"}}, "GetSecretValue")
        return {"SecretString": self.secret}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "ca.pem").write_text("authorities")
    return {
        "DATABASE_ENGINE": "postgres",
        "DATABASE_HOST": "orders.example",
        "DATABASE_PORT": "5432",
        "DATABASE_NAME": "orders",
        "DATABASE_USER": "orders_user",
        "DATABASE_CA_FILE": str(tmp_path / "ca.pem"),
        "MASTER_SECRET_ARN": "arn:secret",
        "AWS_REGION": "eu-central-1",
        "DEADLINE_SECONDS": "10",
    }


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Both engines, with connections that are counted and do nothing; and no time that passes."""
    seen = SimpleNamespace(masters=[], provisioned=[], closed=0, refuses=[], done=["made the role orders_user"])
    seconds = iter(range(0, 10_000, 2))

    def connect(_settings: Settings, master: Master) -> Any:
        seen.masters.append(master)
        if seen.refuses:
            raise seen.refuses.pop(0)
        return SimpleNamespace(close=lambda: setattr(seen, "closed", seen.closed + 1))

    def provision(_connection: Any, database: str, user: str) -> list[str]:
        seen.provisioned.append((database, user))
        return list(seen.done)

    for engine in (postgres, mysql):
        monkeypatch.setattr(engine, "connect", connect)
        monkeypatch.setattr(engine, "provision", provision)
    waits = functools.partial(until_it_works, now=lambda: next(seconds), sleep=lambda _: None)
    monkeypatch.setattr(process, "until_it_works", waits)
    return seen


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Secrets:
    fake = Secrets()
    monkeypatch.setattr(boto3, "client", fake.client)
    return fake


def test_the_secret_of_the_master_is_read_in_its_region_and_with_bounded_patience(
    environment: dict[str, str], server: SimpleNamespace, secrets: Secrets
) -> None:
    assert process.main(environment) == 0

    [(service, arguments)] = secrets.clients
    config = arguments.pop("config")
    assert (service, arguments) == ("secretsmanager", {"region_name": "eu-central-1"})
    assert (config.connect_timeout, config.read_timeout) == (2, 5)
    assert config.retries == {"mode": "standard", "total_max_attempts": 3}
    assert server.masters == [MASTER]
    assert server.provisioned == [("orders", "orders_user")]
    assert server.closed == 1


def test_it_says_what_it_did_or_that_there_was_nothing_to_do(
    environment: dict[str, str], server: SimpleNamespace, secrets: Secrets, capsys: pytest.CaptureFixture[str]
) -> None:
    process.main(environment)
    server.done.clear()
    process.main(environment | {"DATABASE_ENGINE": "mysql"})

    assert capsys.readouterr().out.splitlines() == [
        "made the role orders_user",
        "orders of orders_user is there: nothing to do",
    ]


def test_it_waits_for_permission_and_for_the_server_and_reads_the_password_of_now_each_time(
    environment: dict[str, str], server: SimpleNamespace, secrets: Secrets, capsys: pytest.CaptureFixture[str]
) -> None:
    secrets.refusals = 1
    server.refuses.append(psycopg.OperationalError("no such host"))

    assert process.main(environment) == 0

    assert len(secrets.clients) == 3
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("waiting: ")] == [
        "waiting: An error occurred (AccessDeniedException) when calling the GetSecretValue operation: not yet",
        "waiting: no such host",
    ]


@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        pytest.param(psycopg.OperationalError("no such host"), 5, id="a server that does not answer"),
        pytest.param(pymysql.err.OperationalError(2003, "no such host"), 5, id="a MySQL that does not answer"),
        pytest.param(BadSecretError("arn:secret does not hold JSON"), 1, id="a secret of another form"),
        pytest.param(psycopg.ProgrammingError("no such option"), 1, id="what waiting does not mend"),
    ],
)
def test_it_ends_with_1_and_the_reason_when_waiting_is_over_or_of_no_use(
    environment: dict[str, str],
    server: SimpleNamespace,
    secrets: Secrets,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    attempts: int,
) -> None:
    server.refuses += [error] * 100
    engine = "mysql" if isinstance(error, pymysql.err.MySQLError) else "postgres"

    assert process.main(environment | {"DATABASE_ENGINE": engine}) == 1

    said = capsys.readouterr()
    assert said.err == f"{type(error).__name__}: {error}\n"
    assert len(server.masters) == attempts
    assert "hush" not in said.out + said.err
    assert server.provisioned == []


def test_a_statement_that_is_refused_ends_it_with_1_and_the_connection_is_closed(
    environment: dict[str, str],
    server: SimpleNamespace,
    secrets: Secrets,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuses(*_: Any) -> list[str]:
        raise postgres.Refused("the database orders belongs to another, not to orders_user")

    monkeypatch.setattr(postgres, "provision", refuses)

    assert process.main(environment) == 1
    assert capsys.readouterr().err == "Refused: the database orders belongs to another, not to orders_user\n"
    assert server.closed == 1


def test_a_secret_of_another_form_ends_it_with_1_and_is_not_repeated(
    environment: dict[str, str], server: SimpleNamespace, secrets: Secrets, capsys: pytest.CaptureFixture[str]
) -> None:
    secrets.secret = json.dumps({"user": "platform", "password": "hush"})

    assert process.main(environment) == 1
    assert capsys.readouterr().err == "BadSecretError: arn:secret does not hold JSON with username and password\n"
    assert server.masters == []


def test_a_wrong_environment_ends_it_with_2_before_anything_is_asked(
    environment: dict[str, str], secrets: Secrets, capsys: pytest.CaptureFixture[str]
) -> None:
    assert process.main(environment | {"DATABASE_PORT": "a port"}) == 2
    assert capsys.readouterr().err == (
        "The environment of this process is not right:\nDATABASE_PORT: 'a port' is not a number\n"
    )
    assert secrets.clients == []
