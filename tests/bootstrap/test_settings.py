"""What the bootstrap is told, and how it waits."""

import json
from pathlib import Path
from typing import Any

import pytest

from infra.bootstrap.settings import BadEnvironmentError, BadSecretError, Master, read, read_master
from infra.bootstrap.waiting import PAUSE_SECONDS, until_it_works


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "ca.pem").write_text("authorities")
    return {
        "DATABASE_ENGINE": "postgres",
        "DATABASE_HOST": "orders.example",
        "DATABASE_PORT": "5432",
        "DATABASE_NAME": "orders",
        "DATABASE_USER": "orders",
        "DATABASE_CA_FILE": str(tmp_path / "ca.pem"),
        "MASTER_SECRET_ARN": "arn:secret",
        "AWS_REGION": "eu-central-1",
    }


def test_the_environment_is_read(environment: dict[str, str]) -> None:
    settings = read(environment | {"DEADLINE_SECONDS": "7", "DATABASE_ENGINE": "mysql"})

    assert (settings.engine, settings.host, settings.port, settings.deadline_seconds) == (
        "mysql",
        "orders.example",
        5432,
        7,
    )
    assert (settings.database, settings.user) == ("orders", "orders")
    assert (settings.master_secret_arn, settings.region) == ("arn:secret", "eu-central-1")


def test_a_server_that_is_being_made_has_five_minutes_unless_it_is_said_otherwise(environment: dict[str, str]) -> None:
    assert read(environment).deadline_seconds == 300


def test_every_missing_variable_is_named_at_once() -> None:
    with pytest.raises(BadEnvironmentError) as refused:
        read({})

    assert {line.partition(":")[0] for line in str(refused.value).splitlines()} == {
        "DATABASE_ENGINE",
        "DATABASE_HOST",
        "DATABASE_PORT",
        "DATABASE_NAME",
        "DATABASE_USER",
        "DATABASE_CA_FILE",
        "MASTER_SECRET_ARN",
        "AWS_REGION",
    }


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("DATABASE_ENGINE", "oracle", "DATABASE_ENGINE: is 'oracle', not one of postgres, mysql"),
        ("DATABASE_PORT", "a port", "DATABASE_PORT: 'a port' is not a number"),
        ("DEADLINE_SECONDS", "soon", "DEADLINE_SECONDS: 'soon' is not a number"),
        ("DATABASE_CA_FILE", "/nowhere.pem", "DATABASE_CA_FILE: there is no file /nowhere.pem"),
    ],
)
def test_a_variable_of_no_use_is_refused(environment: dict[str, str], variable: str, value: str, problem: str) -> None:
    with pytest.raises(BadEnvironmentError) as refused:
        read(environment | {variable: value})

    assert str(refused.value) == problem


class Secrets:
    def __init__(self, text: str) -> None:
        self._text = text

    def get_secret_value(self, **asked: str) -> dict[str, Any]:
        assert asked == {"SecretId": "arn:secret"}
        return {"SecretString": self._text}


def test_the_masters_password_is_in_no_representation() -> None:
    master = read_master(Secrets(json.dumps({"username": "platform", "password": "hush"})), "arn:secret")

    assert master == Master(username="platform", password="hush")
    assert "hush" not in repr(master)


@pytest.mark.parametrize("text", ["hush", '{"username": "platform", "pass": "hush"}', '["hush"]', '"hush"', ""])
def test_a_secret_of_another_form_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(BadSecretError, match="arn:secret does not hold") as refused:
        read_master(Secrets(text), "arn:secret")

    assert "hush" not in str(refused.value)
    assert refused.value.__suppress_context__


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def test_it_waits_for_what_comes_up_and_says_each_reason_once() -> None:
    clock, said, outcomes = Clock(), list[str](), iter(["no name", "no name", "refused", ""])

    def attempt() -> str:
        if reason := next(outcomes):
            raise OSError(reason)
        return "connected"

    assert until_it_works(attempt, (OSError,), 60, said.append, clock.now, clock.sleep) == "connected"
    assert said == ["waiting: no name", "waiting: refused"]
    assert clock.seconds == 3 * PAUSE_SECONDS


def test_it_gives_up_at_the_deadline_with_the_last_reason() -> None:
    clock = Clock()

    def attempt() -> str:
        raise OSError(f"refused at {clock.seconds:.0f}")

    with pytest.raises(OSError, match="refused at 10"):
        until_it_works(attempt, (OSError,), 10, lambda _: None, clock.now, clock.sleep)


def test_what_waiting_does_not_mend_ends_it_at_once() -> None:
    def attempt() -> str:
        raise BadSecretError("no JSON")

    with pytest.raises(BadSecretError):
        until_it_works(attempt, (OSError,), 60, lambda _: None, lambda: 0, lambda _: pytest.fail("it waits"))
