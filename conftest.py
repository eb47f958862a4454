"""What all tests share."""

import gc
import os
import ssl
import sys
from collections.abc import Generator, Iterator
from typing import Any

import certifi
import pytest
import structlog
from hypothesis import settings

from tests import shared

pytest_plugins = ["tests.fixtures", "tests.mysql"]

settings.register_profile("shop", deadline=None)  # a busy machine takes its time, and that breaks no promise
settings.register_profile("quick", settings.get_profile("shop"), max_examples=25)
"""Of `make unit`; all other runs, mutants and CI among them, try as many as hypothesis itself would."""
settings.load_profile("shop")

SECOND_ENGINE = "mysql"
"""What runs on both engines runs on PostgreSQL among the quick tests."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if SECOND_ENGINE in item.name or any(name.startswith(SECOND_ENGINE) for name in fixtures):
            item.add_marker(pytest.mark.slow)


def pytest_configure(config: pytest.Config) -> None:
    if not is_worker(config):
        shared.begin()


def pytest_unconfigure(config: pytest.Config) -> None:
    if not is_worker(config):
        shared.end()


def is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """The modules live to the end of the run: no look for garbage goes through them, now or later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def authorities_read_once() -> Iterator[None]:
    """Each client of HTTP would read the certificates of all authorities, which takes longer than most tests."""
    make = ssl.create_default_context
    of_everybody: dict[str, Any] = {"cafile": os.environ.get("SSL_CERT_FILE") or certifi.where()}
    known = make(**of_everybody)

    def made(*args: Any, **options: Any) -> ssl.SSLContext:
        return known if not args and options == of_everybody else make(*args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", made)
        yield


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
