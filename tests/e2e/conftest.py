"""The shop under test: a local system of our own, or any environment by the outputs of its stack."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.shop import Shop
from tests.e2e.system import System, running


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.e2e)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(420))
            item.add_marker(pytest.mark.xdist_group("e2e"))  # in order, and on one shared system


@pytest.fixture(scope="session")
def shared_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    if shutil.which("pulumi") is None and not (Path(__file__).parent.parent.parent / ".shop/pulumi").exists():
        pytest.skip("the Pulumi CLI is not installed: `make test` installs it")
    with running(tmp_path_factory.mktemp("shared")) as system:
        yield system


@pytest.fixture(scope="session")
def shop(request: pytest.FixtureRequest) -> Shop:
    """SHOP_OUTPUTS names a file with `pulumi stack output --json` of the environment to test; else a local one."""
    if "SHOP_OUTPUTS" in os.environ:
        return Shop(json.loads(Path(os.environ["SHOP_OUTPUTS"]).read_text())).opened()
    system: System = request.getfixturevalue("shared_system")
    return Shop(system.outputs()).opened()
