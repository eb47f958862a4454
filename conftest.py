"""What all tests share."""

import sys
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

pytest_plugins = ["tests.fixtures", "tests.mysql"]

settings.register_profile("shop", deadline=None)  # a busy machine takes its time, and that breaks no promise
settings.load_profile("shop")

SECOND_ENGINE = "mysql"
"""What runs on both engines runs on PostgreSQL among the quick tests."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if SECOND_ENGINE in item.name or any(name.startswith(SECOND_ENGINE) for name in fixtures):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def plain_logs() -> None:
    """Without rich's tracebacks, which take seconds each."""
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()])


@pytest.fixture(autouse=True)
def full_tracebacks() -> Iterator[None]:
    """A provider that refuses shortens the tracebacks of its process (infra/local/provider.py): not this one's."""
    yield
    if hasattr(sys, "tracebacklimit"):
        del sys.tracebacklimit
