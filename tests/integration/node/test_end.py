"""The end of a node, in order and by a kill: nothing of it is left on the machine."""

import json
import os
import subprocess
import sys
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.fixtures import wait_for
from tests.integration.harness.machine.network import private_network
from tests.integration.harness.machine.paths import ROOT
from tests.integration.harness.machine.toolchain import explained, of_this_machine
from tests.integration.harness.node.machine import GROUPS
from tests.integration.harness.node.node import missing
from tests.integration.harness.node.visitors import SECONDS, Visitors, programs, started

Record = dict[str, Any]

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]


def test_when_the_node_is_down_nothing_of_it_is_left(visitors: Visitors) -> None:
    left = Left(network(), visitors.node.layout.group, visitors.folder)
    assert "cni0" in interfaces()
    assert all((left.processes() - {os.getpid()}, left.groups()))

    visitors.servers.close()

    assert left.processes() <= {os.getpid()}
    assert (left.groups(), left.mounts(), interfaces()) == ([], [], ["lo"])
    assert not visitors.node.layout.images.exists()


def test_nothing_is_left_when_the_tests_are_killed(tmp_path_factory: pytest.TempPathFactory) -> None:
    if lacking := missing(of_this_machine()):
        pytest.skip(explained(lacking))
    folder = tmp_path_factory.mktemp("end")  # a short name: there are sockets in it
    command = [sys.executable, "-c", f"from {__name__} import hold; hold()", str(folder)]
    with (folder / "held.log").open("wb") as log:
        tests = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, cwd=ROOT, text=True
        )
    with tests:
        assert tests.stdout is not None
        its_network, its_group = json.loads(tests.stdout.readline())
        left = Left(its_network, its_group, folder)
        assert all((left.processes(), left.groups()))

        tests.kill()

    wait_for(lambda: not left.processes() and not left.groups(), SECONDS, "processes and control groups are gone")
    assert left.mounts() == []


def hold() -> None:
    """Runs a node until it is killed, and says how to find it."""
    built = programs()
    with private_network(), ExitStack() as servers:
        visitors = started(of_this_machine(), Path(sys.argv[1]), built, servers)
        print(json.dumps([network(), visitors.node.layout.group]), flush=True)
        sys.stdin.read()


@dataclass(frozen=True)
class Left:
    """What could be left of a node on this machine."""

    network: str
    group: str
    folder: Path

    def processes(self) -> set[int]:
        """Those in the network of the node. Those in the networks of pods are in its control groups."""
        return {pid for pid in psutil.pids() if network(str(pid)) == self.network}

    def groups(self) -> list[str]:
        return [str(each) for each in GROUPS.glob(f"*/{self.group}")]

    def mounts(self) -> list[str]:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        return [line for line in lines if str(self.folder) in line]


def network(process: str = "thread-self") -> str:
    with suppress(OSError):  # it has ended, or is nobody's to look at
        return str(Path(f"/proc/{process}/ns/net").readlink())
    return ""


def interfaces() -> list[str]:
    listed = subprocess.run(["ip", "-json", "link"], capture_output=True, text=True, check=True).stdout
    return [each["ifname"] for each in json.loads(listed)]
