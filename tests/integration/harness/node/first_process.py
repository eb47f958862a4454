"""The node's first process, in namespaces of its own: mounts, process ids, IPC, host name. `machine.py` starts it.

Run as `python -m tests.integration.harness.node.first_process FOLDER`, where the folder has the commands of the
servers, and with a pipe as standard input. It ends when one of the servers or the pipe does, and with it, as
the kernel has it, every process of the node.
"""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

RUNTIME_SECONDS = 30
MOUNTS = (
    ("--make-rshared", "/"),  # what a kubelet mounts for a pod has to be seen by its container
    ("-t", "tmpfs", "node", "/run"),
)
OVER_VAR = "lowerdir=/var,upperdir=/run/node/var,workdir=/run/node/work"
"""The kubelet and the network plugins write to fixed paths, like /var/lib/kubelet/device-plugins and
/var/log/containers: an overlay in memory keeps them off the machine's disk."""
KERNEL_SETTINGS: Mapping[str, int] = {
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "kernel/keys/root_maxkeys": 1_000_000,
    "kernel/keys/root_maxbytes": 25_000_000,
}
"""What a kubelet sets for the whole machine. It is given files that say so already."""
NETWORK_SETTINGS: Mapping[str, int] = {
    "net/ipv4/ip_forward": 1,
    "net/bridge/bridge-nf-call-iptables": 1,  # answers between pods of one bridge pass through kube-proxy's rules
}


@dataclass(frozen=True, kw_only=True)
class Servers:
    """Commands."""

    runtime: Sequence[str]
    runtime_socket: str
    others: Mapping[str, Sequence[str]]
    """Name -> command, of those that need the runtime."""

    def write(self, folder: Path) -> None:
        (folder / "servers.json").write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, folder: Path) -> "Servers":
        return cls(**json.loads((folder / "servers.json").read_text()))


def main(folder: Path) -> str:
    """Why the node ended."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    servers = Servers.read(folder)
    _prepare(folder)
    started = {"containerd": _start("containerd", servers.runtime, folder)}
    _wait_for(servers.runtime_socket)
    started |= {name: _start(name, command, folder) for name, command in servers.others.items()}
    names = {process.pid: name for name, process in started.items()}
    while True:
        pid, status = os.wait()  # the first process is the parent of all that lost theirs
        if pid in names:
            log = folder / f"{names[pid]}.log"
            end = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
            return f"{names[pid]} ended with {os.waitstatus_to_exitcode(status)}; the end of {log}:\n{end}"


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)


def _prepare(folder: Path) -> None:
    for arguments in MOUNTS:
        _run("mount", *arguments)
    for name in ("lock", "node/var", "node/work"):
        Path("/run", name).mkdir(parents=True)
    _run("mount", "-t", "overlay", "-o", OVER_VAR, "node", "/var")
    said = folder / "kernel"
    for name, value in KERNEL_SETTINGS.items():
        file = said / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{value}\n")
        _run("mount", "--bind", str(file), f"/proc/sys/{name}")
    for name, value in NETWORK_SETTINGS.items():
        Path("/proc/sys", name).write_text(str(value))
    socket.sethostname("node")


def _start(name: str, command: Sequence[str], folder: Path) -> "subprocess.Popen[bytes]":
    with (folder / f"{name}.log").open("wb") as output:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/")


def _wait_for(path: str) -> None:
    deadline = time.monotonic() + RUNTIME_SECONDS
    while True:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(path) == 0:
                return
        if time.monotonic() > deadline:
            sys.exit(f"nothing listens at {path}")
        time.sleep(0.05)


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
