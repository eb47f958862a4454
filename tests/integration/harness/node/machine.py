"""What the node believes to be its machine: namespaces and control groups of its own, all gone at the end.

Run as `python -m tests.integration.harness.node.machine FOLDER GROUP`. SIGTERM ends it, and everything of the
node with it: processes (by their namespace), mounts (likewise), control groups, the bridge of the pods, images.
"""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.integration.harness.machine.network import NODE

GROUPS = Path("/sys/fs/cgroup")
EMPTY_SECONDS = 5
NAMESPACES = ("--mount", "--propagation=private", "--pid", "--fork", "--mount-proc", "--ipc", "--uts")
BULKY = ("containerd", "kubelet")
"""Images, and what pods wrote. The logs stay."""


def main(folder: Path, group: str) -> int:
    if NODE not in {address.address for address in psutil.net_if_addrs()["lo"]}:
        sys.exit("this is not the private network: the node would change the machine's own")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with _files(folder), _network_of_pods(), _groups(group):
        first = [sys.executable, "-m", "tests.integration.harness.node.first_process", str(folder)]
        process = subprocess.Popen(["unshare", *NAMESPACES, "--kill-child", *first], stdin=subprocess.PIPE)
        try:
            return process.wait()
        finally:
            _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Not unshare itself, which would leave its child behind for a moment: it ends when its child has."""
    while process.poll() is None:
        for child in psutil.Process(process.pid).children():
            child.kill()
        time.sleep(0.02)


@contextmanager
def _groups(name: str) -> Iterator[None]:
    """A control group of the name in every hierarchy of version 1."""
    parents = [each for each in GROUPS.iterdir() if each.is_dir() and not each.is_symlink()]
    try:
        for parent in parents:
            (parent / name).mkdir()
            for file in ("cpuset.cpus", "cpuset.mems"):  # without these no process can be put there
                if (parent / file).exists():
                    (parent / name / file).write_text((parent / file).read_text())
        yield
    finally:
        deadline = time.monotonic() + EMPTY_SECONDS
        while left := [parent / name for parent in parents if not _removed(parent / name)]:
            if time.monotonic() > deadline:
                sys.exit(f"processes are left in {', '.join(map(str, left))}")
            time.sleep(0.05)


def _removed(group: Path) -> bool:
    """A control group is removed once it has neither processes nor groups below."""
    try:
        for below in sorted(group.rglob("*/"), key=lambda each: len(each.parts), reverse=True):
            below.rmdir()
        group.rmdir()
    except FileNotFoundError:
        return not group.exists()
    except OSError:  # busy
        return False
    return True


@contextmanager
def _network_of_pods() -> Iterator[None]:
    """The interfaces of pods go with their processes."""
    try:
        yield
    finally:
        subprocess.run(["ip", "link", "delete", "cni0"], capture_output=True)  # none before the first pod
        subprocess.run(["nft", "flush", "ruleset"], check=True)


@contextmanager
def _files(folder: Path) -> Iterator[None]:
    try:
        yield
    finally:
        for name in BULKY:
            shutil.rmtree(folder / name, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
