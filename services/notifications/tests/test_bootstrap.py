"""What this service must be told before it can be built, and what it does not load."""

import subprocess
import sys

import pytest
from chassis.settings import BadEnvironmentError, read
from notifications.bootstrap import NotificationsSettings


@pytest.mark.parametrize("name", ["QUEUE_URL", "TABLE_NAME"])
def test_what_is_missing_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "SERVICE_NAME": "notifications",
        "SERVICE_VERSION": "1",
        "ENVIRONMENT": "local",
        "QUEUE_URL": "http://127.0.0.1/000000000000/notifications",
        "TABLE_NAME": "notifications",
    }
    for variable, value in given.items():
        monkeypatch.setenv(variable, value)
    assert read(NotificationsSettings).table_name == "notifications"
    monkeypatch.delenv(name)

    with pytest.raises(BadEnvironmentError, match=name):
        read(NotificationsSettings)


def test_a_process_without_a_relational_database_loads_no_driver_of_one() -> None:
    program = (
        "import sys; from chassis.app import create_app; from notifications.bootstrap import *; "
        "create_app(service(NotificationsSettings.placeholder())); "
        "print(*sorted({'sqlalchemy', 'alembic', 'asyncpg', 'aiomysql', 'boto3', 'grpc'} & set(sys.modules)))"
    )

    found = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout

    assert found.split() == []


def test_there_is_nothing_to_migrate(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = NotificationsSettings.placeholder().model_dump(include={"service_name", "table_name", "queue_url"})
    for name, value in (environment | {"service_version": "1", "environment": "local"}).items():
        monkeypatch.setenv(name.upper(), value)

    ended = subprocess.run([sys.executable, "-m", "notifications", "migrate"], capture_output=True, text=True)

    assert "no migrations" in ended.stderr + ended.stdout
