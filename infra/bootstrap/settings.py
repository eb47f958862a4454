"""The environment of the bootstrap, typed, and the master's secret."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

Engine = Literal["postgres", "mysql"]
DEADLINE_SECONDS = 300


class BadEnvironmentError(ValueError):
    """The text has a line for each bad variable."""


class BadSecretError(ValueError):
    """The master's secret is not what RDS makes. The text names the secret, and nothing of what is in it."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    engine: Engine
    host: str
    port: int
    database: str
    user: str
    ca_file: Path
    master_secret_arn: str
    region: str
    deadline_seconds: float


@dataclass(frozen=True, kw_only=True)
class Master:
    username: str
    password: str = field(repr=False)


def read(environment: Mapping[str, str]) -> Settings:
    """Raises BadEnvironmentError for whatever is missing or of no use."""
    problems: list[str] = []

    def given(name: str) -> str:
        if not environment.get(name):
            problems.append(f"{name}: is not set")
        return environment.get(name, "")

    def number(name: str, text: str) -> float:
        try:
            return float(text)
        except ValueError:
            problems.append(f"{name}: {text!r} is not a number")
            return 0

    engine, port = given("DATABASE_ENGINE"), given("DATABASE_PORT")
    if engine and engine not in get_args(Engine):
        problems.append(f"DATABASE_ENGINE: is {engine!r}, not one of {', '.join(get_args(Engine))}")
    ca_file = given("DATABASE_CA_FILE")
    if ca_file and not Path(ca_file).is_file():
        problems.append(f"DATABASE_CA_FILE: there is no file {ca_file}")
    settings = Settings(
        engine="mysql" if engine == "mysql" else "postgres",
        host=given("DATABASE_HOST"),
        port=int(number("DATABASE_PORT", port)) if port else 0,
        database=given("DATABASE_NAME"),
        user=given("DATABASE_USER"),
        ca_file=Path(ca_file),
        master_secret_arn=given("MASTER_SECRET_ARN"),
        region=given("AWS_REGION"),  # boto3 reads AWS_DEFAULT_REGION only
        deadline_seconds=number("DEADLINE_SECONDS", environment.get("DEADLINE_SECONDS") or str(DEADLINE_SECONDS)),
    )
    if problems:
        raise BadEnvironmentError("\n".join(problems))
    return settings


def read_master(client: Any, secret_arn: str) -> Master:
    """The master's name and password of now: RDS changes the password from time to time.

    Raises:
        BadSecretError: when it has another form
        botocore's BotoCoreError, ClientError: when it cannot be read
    """
    text = client.get_secret_value(SecretId=secret_arn).get("SecretString", "")
    try:
        secret = json.loads(text)
        return Master(username=str(secret["username"]), password=str(secret["password"]))
    except (ValueError, TypeError, KeyError):
        # Not `from error`: a parser's error repeats what it read.
        raise BadSecretError(f"{secret_arn} does not hold JSON with username and password") from None
