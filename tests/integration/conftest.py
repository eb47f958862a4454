"""The order of the parts, and what is printed when all of them have ended."""

from typing import Any

import pytest

from tests.integration.figures import OUTPUT, figures_of
from tests.integration.parts import part_of, place


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Other tests, which are collected with these or not, stay where they are."""
    ours = [item for item in items if item.get_closest_marker("integration")]
    ours.sort(key=lambda item: place(item.path))
    items[:] = [item for item in items if not item.get_closest_marker("integration")] + ours
    for item in ours:
        if part := part_of(item.path):
            item.add_marker(pytest.mark.xdist_group(part.group))


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> list[str]:
    """Lines for the end of the run: a test adds its own."""
    return figures_of(request.config)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[OUTPUT] = figures_of(session.config)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Of pytest-xdist: a process has ended."""
    figures_of(node.config).extend(getattr(node, "workeroutput", {}).get(OUTPUT, []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if lines := figures_of(terminalreporter.config):
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.write_line(line)
