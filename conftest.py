"""What all tests share, and which of them are not among the quick ones."""

import sys
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

pytest_plugins = ["tests.fixtures", "tests.mysql"]

settings.register_profile("shop", deadline=None)  # a busy machine takes its time, and that breaks no promise
settings.load_profile("shop")

SLOW_MODULES = frozenset(
    {
        "test_concurrency.py",
        "test_composing.py",
        "test_delivery.py",
        "test_emulator.py",
        "test_fuzz.py",
        "test_go.py",
        "test_hostile_queries.py",
        "test_in_hand.py",
        "test_interface.py",
        "test_invariants.py",
        "test_main.py",
        "test_migrations.py",
        "test_money.py",
        "test_new_service.py",
        "test_operation.py",
        "test_process.py",
        "test_properties.py",
        "test_protos.py",
        "test_rebuild.py",
        "test_saga.py",
        "test_supervision.py",
    }
)
"""They start processes, wait for time-outs, or try many inputs. `make test` runs them, `make unit` does not."""
SECOND_ENGINE = "mysql"
"""What runs on both engines runs on PostgreSQL among the quick tests."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if (
            item.path.name in SLOW_MODULES
            or SECOND_ENGINE in item.name
            or any(name.startswith(SECOND_ENGINE) for name in getattr(item, "fixturenames", ()))
        ):
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
