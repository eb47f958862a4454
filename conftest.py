import pytest
import structlog

pytest_plugins = ["tests.fixtures"]


@pytest.fixture(scope="session", autouse=True)
def plain_logs() -> None:
    """Without rich's tracebacks, which take seconds each."""
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()])
