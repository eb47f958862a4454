"""Real parts for tests: a PostgreSQL server, the AWS emulator, an issuer of tokens. Started once for a run."""

import asyncio
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import boto3
import psycopg
import pytest

from infra.local import postgresql
from tests.tokens import Issuer

T = TypeVar("T")
DURABILITY_OFF = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(check: Callable[[], bool], deadline_seconds: float, what: str) -> None:
    """Returns when check() is true; fails after the deadline with what was waited for."""
    deadline = time.monotonic() + deadline_seconds
    while not check():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {deadline_seconds} s in vain: {what}")
        time.sleep(0.05)


async def eventually(check: Callable[[], Awaitable[T]], deadline_seconds: float = 10) -> T:
    """The first true result of check(); fails with the last one after the deadline."""
    deadline = time.monotonic() + deadline_seconds
    while not (result := await check()):
        if time.monotonic() > deadline:
            pytest.fail(f"waited {deadline_seconds} s in vain; the last result was {result!r}")
        await asyncio.sleep(0.02)
    return result


@dataclass(frozen=True, kw_only=True)
class Postgres:
    host: str
    port: int
    password: str

    def run(self, *statements: str) -> None:
        with psycopg.connect(
            host=self.host,
            port=self.port,
            user="postgres",
            password=self.password,
            dbname="postgres",
            autocommit=True,
        ) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    @contextmanager
    def fresh_database(self) -> Iterator["FreshDatabase"]:
        """An empty database with a role of its own, gone at the end."""
        name, password = f"test_{secrets.token_hex(6)}", secrets.token_urlsafe(16)
        self.run(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'", f"CREATE DATABASE {name} OWNER {name}")
        yield FreshDatabase(url=f"postgresql://{name}@{self.host}:{self.port}/{name}", password=password)
        self.run(f"DROP DATABASE {name} WITH (FORCE)", f"DROP ROLE {name}")

    def shut(self, database: str) -> None:
        """Ends all connections to the database, and lets nobody in."""
        self.run(
            f"ALTER DATABASE {database} ALLOW_CONNECTIONS false",
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'",  # noqa: S608
        )

    def reopen(self, database: str) -> None:
        self.run(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")

    def answers(self) -> bool:
        try:
            self.run("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True


@dataclass(frozen=True, kw_only=True)
class FreshDatabase:
    """An empty database with a role of its own. The URL carries no password."""

    url: str
    password: str


def service_settings(name: str, home: FreshDatabase, tokens: Issuer) -> dict[str, Any]:
    """What the settings of every service with a database have in common, in a test."""
    return {
        "service_name": name,
        "service_version": "test",
        "environment": "local",
        "database_url": home.url,
        "database_password": home.password,
        "token_issuer": tokens.issuer,
        "token_audience": [tokens.audience],
        "token_jwks_url": tokens.jwks_url,
    }


@dataclass(frozen=True, kw_only=True)
class Emulator:
    url: str


@dataclass(frozen=True, kw_only=True)
class Queue:
    url: str
    dead_letter_url: str
    client: Any

    def receive_dead(self, deadline_seconds: float = 10) -> dict[str, Any]:
        """The next message that was set aside; fails when none comes before the deadline."""
        deadline = time.monotonic() + deadline_seconds
        while time.monotonic() < deadline:
            answer = self.client.receive_message(QueueUrl=self.dead_letter_url, WaitTimeSeconds=1)
            for message in answer.get("Messages", []):
                return dict(message)
        pytest.fail(f"no message was set aside within {deadline_seconds} s")


@contextmanager
def running_postgres(*settings: str) -> Iterator[Postgres]:
    """A server of its own, on loopback, gone at the end."""
    with tempfile.TemporaryDirectory(prefix="shop-postgres-") as folder:
        server = Postgres(host="127.0.0.1", port=free_port(), password=secrets.token_urlsafe(24))
        password_file = Path(folder) / "password"
        password_file.write_text(server.password)
        data = Path(folder) / "data"
        postgresql.initialise(data, password_file)
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen(
                postgresql.postgres_command(data, str(server.port), [*settings, "max_connections=200"]),
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=data,
            )
        try:
            wait_for(server.answers, 20, "PostgreSQL answers")
            yield server
        finally:
            process.send_signal(2)  # SIGINT: PostgreSQL's fast shutdown
            process.wait(timeout=20)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with running_postgres(*DURABILITY_OFF) as server:
        yield server


@pytest.fixture
def fresh_database(postgres: Postgres) -> Iterator[FreshDatabase]:
    with postgres.fresh_database() as database:
        yield database


@contextmanager
def running_emulator() -> Iterator[Emulator]:
    """An emulator of AWS, to which this process's environment leads meanwhile."""
    port = free_port()
    emulator = Emulator(url=f"http://127.0.0.1:{port}")
    given = {
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ENDPOINT_URL": emulator.url,
    }
    before = {name: os.environ.get(name) for name in given}
    with tempfile.TemporaryDirectory(prefix="shop-emulator-") as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "infra.local.emulator"],
            env=os.environ | {"PORT": str(port), "STATE_DIR": folder},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for(lambda: _ready(f"{emulator.url}/_ministack/ready"), 20, "the emulator answers")
            os.environ.update(given)
            yield emulator
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
            process.terminate()
            process.wait(timeout=20)


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    with running_emulator() as emulator:
        yield emulator


@cache
def client_of(service: str, url: str) -> Any:
    """To make a client takes longer than most requests."""
    return boto3.client(service, endpoint_url=url)  # type: ignore[call-overload]


@pytest.fixture
def make_topic(emulator: Emulator) -> Callable[..., str]:
    client = client_of("sns", emulator.url)
    return lambda name=None: str(client.create_topic(Name=name or f"topic-{secrets.token_hex(4)}")["TopicArn"])


@pytest.fixture
def make_queue(emulator: Emulator) -> Callable[..., Queue]:
    sqs, sns = client_of("sqs", emulator.url), client_of("sns", emulator.url)

    def arn(url: str) -> str:
        return str(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"])

    def make(topic_arn: str, event_types: Sequence[str], max_deliveries: int = 3, visibility_seconds: int = 2) -> Queue:
        name = f"queue-{secrets.token_hex(4)}"
        dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
        redrive = json.dumps({"deadLetterTargetArn": arn(dead), "maxReceiveCount": max_deliveries})
        url = sqs.create_queue(
            QueueName=name, Attributes={"VisibilityTimeout": str(visibility_seconds), "RedrivePolicy": redrive}
        )["QueueUrl"]
        sns.subscribe(
            TopicArn=topic_arn,
            Protocol="sqs",
            Endpoint=arn(url),
            Attributes={
                "RawMessageDelivery": "true",
                "FilterPolicy": json.dumps({"event_type": list(event_types)}),
            },
        )
        return Queue(url=url, dead_letter_url=dead, client=sqs)

    return make


@pytest.fixture(scope="session")
def tokens() -> Iterator[Issuer]:
    issuer = Issuer()
    yield issuer
    issuer.close()


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
