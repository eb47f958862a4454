"""One environment for all tests of the story, and what its runs of the engine took."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.shop import Shop
from tests.integration.figures import figures_of
from tests.integration.harness.images.images import table
from tests.integration.harness.machine.toolchain import explained, of_this_machine
from tests.integration.harness.stack.environment import Environment, Pods, missing, standing_in, with_pods

FAILED = pytest.StashKey[str]()


@pytest.fixture(scope="package")  # its network is not that of the machine: the tests of others come after it
def environment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    tools = of_this_machine()
    if lacking := tools.missing():
        pytest.skip(explained(lacking))

    def new_folder(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        folder.chmod(0o700)
        return folder

    no_pods = missing(tools)
    with standing_in(tools, new_folder) if no_pods else with_pods(tools, new_folder) as environment:
        environment.remember("nothing")
        yield environment
        images = table(environment.pods.built.values()) if environment.pods else []
        figures_of(request.config).extend([*map(str, environment.stack.runs), "", *images])


@pytest.fixture(scope="package")
def pods(environment: Environment) -> Pods:
    """Skips where no pod runs."""
    if environment.pods is None:
        pytest.skip(f"no pod runs here: {missing(of_this_machine())}")
    return environment.pods


@pytest.fixture(scope="package")
def shop(environment: Environment, pods: Pods) -> Shop:
    return environment.shop().opened()


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """A failed test ends the story."""
    failed = call.excinfo is not None and not call.excinfo.errisinstance(pytest.skip.Exception)
    if failed and _tells_the_story(item):
        item.session.stash.setdefault(FAILED, item.name)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if _tells_the_story(item) and (failed := item.session.stash.get(FAILED, None)):
        pytest.skip(f"the story ended with {failed}")


def _tells_the_story(item: pytest.Item) -> bool:
    return "environment" in getattr(item, "fixturenames", ())
