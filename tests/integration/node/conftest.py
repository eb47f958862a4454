"""One node for all tests of the package."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.integration.harness.machine.network import private_network
from tests.integration.harness.machine.toolchain import explained, of_this_machine
from tests.integration.harness.node.node import missing
from tests.integration.harness.node.visitors import Visitors, programs, started

Record = dict[str, Any]


@pytest.fixture(scope="package")
def visitors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitors]:
    tools = of_this_machine()
    if lacking := missing(tools):
        pytest.skip(explained(lacking))
    built = programs()
    with private_network(), ExitStack() as servers:
        yield started(tools, tmp_path_factory.mktemp("node"), built, servers)
