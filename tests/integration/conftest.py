"""One environment for all tests of the folder: a control plane, an empty account, the stack `emulated` on both."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.integration.control_plane import ControlPlane, control_plane
from tests.integration.emulators import Aws, emulated_aws, put_aws_command
from tests.integration.node import node
from tests.integration.stack import Stack
from tests.integration.toolchain import explained, of_this_machine

RUNS = pytest.StashKey[list[str]]()
ENDED = pytest.StashKey[str]()


@dataclass(frozen=True)
class Moment:
    """What was there at a time."""

    aws: set[str]
    cluster: set[str]


@dataclass(frozen=True, kw_only=True)
class Environment:
    aws: Aws
    cluster: ControlPlane
    stack: Stack
    moments: dict[str, Moment] = field(default_factory=dict)

    def remember(self, name: str) -> None:
        self.moments[name] = Moment(self.aws.inventory(), self.cluster.inventory())


@pytest.fixture(scope="session")
def environment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    tools = of_this_machine()
    if missing := tools.missing():
        pytest.skip(explained(missing))
    folders = {name: _private(tmp_path_factory, name) for name in ("cluster", "aws", "commands", "stack")}
    with (
        control_plane(tools, folders["cluster"]) as cluster,
        node(cluster),
        emulated_aws(folders["aws"], cluster) as aws,
    ):
        put_aws_command(folders["commands"], cluster)
        environment = Environment(
            aws=aws, cluster=cluster, stack=Stack(folders["stack"], tools, aws, folders["commands"])
        )
        environment.remember("nothing")
        yield environment
        request.config.stash[RUNS] = [str(run) for run in environment.stack.runs]


def _private(factory: pytest.TempPathFactory, name: str) -> Path:
    folder = factory.mktemp(name)
    folder.chmod(0o700)
    return folder


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """A failed test ends the story."""
    failed = call.excinfo is not None and not call.excinfo.errisinstance(pytest.skip.Exception)
    if failed and _tells_the_story(item):
        item.session.stash.setdefault(ENDED, item.name)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if _tells_the_story(item) and (ended := item.session.stash.get(ENDED, None)):
        pytest.skip(f"the story ended with {ended}")


def _tells_the_story(item: pytest.Item) -> bool:
    return "environment" in getattr(item, "fixturenames", ())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if runs := terminalreporter.config.stash.get(RUNS, []):
        terminalreporter.section("runs of the engine")
        for run in runs:
            terminalreporter.write_line(run)
