"""The process as the Job runs it: Secrets Manager, TLS, a PostgreSQL server."""

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

from tests.authority import CERTIFICATE, issue
from tests.bootstrap.conftest import MASTER, Rds
from tests.fixtures import Emulator

pytestmark = pytest.mark.slow


@pytest.fixture
def environment(rds_with_tls: Rds, emulator: Emulator) -> dict[str, str]:
    content = json.dumps({"username": MASTER, "password": rds_with_tls.master_password})
    secret = boto3.client("secretsmanager", endpoint_url=emulator.url).create_secret(
        Name=f"rds!{secrets.token_hex(4)}", SecretString=content
    )
    name = f"service_{secrets.token_hex(4)}"
    return {
        "DATABASE_ENGINE": "postgres",
        "DATABASE_HOST": "127.0.0.1",
        "DATABASE_PORT": str(rds_with_tls.port),
        "DATABASE_NAME": name,
        "DATABASE_USER": name,
        "DATABASE_CA_FILE": str(rds_with_tls.ca_file),
        "MASTER_SECRET_ARN": secret["ARN"],
        "AWS_REGION": "eu-central-1",
        "DEADLINE_SECONDS": "0",  # one attempt
    }


def run(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    # As the Job has it: boto3 would find a region here that it does not find there.
    ours = {name: value for name, value in os.environ.items() if name != "AWS_DEFAULT_REGION"}
    return subprocess.run(
        [sys.executable, "-m", "infra.bootstrap"], env=ours | environment, capture_output=True, text=True
    )


def test_it_makes_the_database_and_says_so_and_the_second_time_that_there_is_nothing_to_do(
    environment: dict[str, str], rds_with_tls: Rds
) -> None:
    name = environment["DATABASE_NAME"]
    first, second = run(environment), run(environment)

    assert (first.returncode, first.stderr, second.returncode, second.stderr) == (0, "", 0, "")
    assert first.stdout.splitlines()[:2] == [f"made the role {name}", f"made the database {name}"]
    assert second.stdout == f"{name} of {name} is there: nothing to do\n"
    assert rds_with_tls.ask("SELECT 1 FROM pg_database WHERE datname = %s", name) == [(1,)]


def test_a_server_with_a_certificate_of_another_authority_is_not_given_the_password(
    environment: dict[str, str], rds_with_tls: Rds, tmp_path: Path
) -> None:
    issue(tmp_path)
    done = run(environment | {"DATABASE_CA_FILE": str(tmp_path / CERTIFICATE)})

    assert done.returncode == 1
    assert "certificate verify failed" in done.stderr
    assert rds_with_tls.master_password not in done.stdout + done.stderr


def test_a_server_with_a_certificate_of_another_host_is_refused(environment: dict[str, str]) -> None:
    done = run(environment | {"DATABASE_HOST": "localhost"})

    assert done.returncode == 1
    assert 'does not match host name "localhost"' in done.stderr


def test_a_password_that_is_wrong_is_not_printed(environment: dict[str, str], emulator: Emulator) -> None:
    client = boto3.client("secretsmanager", endpoint_url=emulator.url)
    wrong = json.dumps({"username": MASTER, "password": "hush-hush"})
    client.put_secret_value(SecretId=environment["MASTER_SECRET_ARN"], SecretString=wrong)

    done = run(environment)

    assert done.returncode == 1
    assert "password authentication failed" in done.stderr
    assert "hush" not in done.stdout + done.stderr


def test_a_secret_that_is_not_there_is_named_as_the_reason(environment: dict[str, str]) -> None:
    done = run(environment | {"MASTER_SECRET_ARN": "rds!nothing"})

    assert done.returncode == 1
    assert done.stderr.startswith("ResourceNotFoundException: ")
    assert "Traceback" not in done.stderr


def test_without_its_environment_it_ends_with_status_2() -> None:
    done = run(dict.fromkeys(("DATABASE_HOST", "MASTER_SECRET_ARN"), ""))

    assert done.returncode == 2
    assert done.stderr.startswith("The environment of this process is not right:\n")
    assert "MASTER_SECRET_ARN: is not set" in done.stderr
