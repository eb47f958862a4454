"""A real node: containerd, kubelet, kube-proxy and CoreDNS, in the network of the caller, in which pods really run.

programs = own_programs()                            # in the machine's network
with (
    private_network(),
    control_plane(tools, plane, REAL_NODE) as cluster,
    real_node(cluster, tools, folder, programs) as node,
):
    node.import_image(archive)
    cluster.post("/api/v1/namespaces/default/pods", ...)
    node.logs("default", "orders")
"""

import os
import secrets
import signal
import socket
import subprocess
import sys
import urllib.error
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.local.binaries import go
from tests.fixtures import wait_for
from tests.integration.harness.cluster.control_plane import ControlPlane
from tests.integration.harness.cluster.modes import NODE_NAME
from tests.integration.harness.images.oci import archive
from tests.integration.harness.machine.processes import running
from tests.integration.harness.machine.programs import built, is_built
from tests.integration.harness.machine.toolchain import NODE_REMEDIES, PACKAGE, PLUGINS, Toolchain
from tests.integration.harness.node import dns
from tests.integration.harness.node.configuration import CLUSTER_DOMAIN, PAUSE, Layout, put_files
from tests.integration.harness.node.machine import GROUPS

Record = dict[str, Any]

NODE_SECONDS = 60
NETWORK_PLUGINS = ("bridge", "host-local", "loopback", "portmap")
KERNEL: Mapping[str, tuple[Path, str]] = {
    "control groups of version 1": (GROUPS / "memory", "boot with systemd.unified_cgroup_hierarchy=0"),
    "br_netfilter": (Path("/proc/sys/net/bridge"), "modprobe br_netfilter"),
}
"""Part of the kernel -> what is there with it, and how to get it."""
MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Node:
    cluster: ControlPlane
    layout: Layout

    def logs(self, namespace: str, pod: str, *, previous: bool = False) -> str:
        """What the one container of the pod has printed; `previous`: before it was started again.

        Raises: urllib.error.HTTPError, 400 while it has not begun.
        """
        options = "?previous=true" if previous else ""
        return self.cluster.text(f"/api/v1/namespaces/{namespace}/pods/{pod}/log{options}")

    def import_image(self, file: Path) -> None:
        """An OCI or docker archive of one image, under the name that it has.

        Names are whole, with their host: `docker.io/library/python:3.13` is what a pod calls `python:3.13`.
        """
        self._ctr("images", "import", str(file))

    def alias(self, existing: str, reference: str) -> None:
        """A pod that asks for `reference` gets the image `existing`, also when it asks for another digest."""
        self._ctr("images", "tag", "--force", existing, reference)

    def pull(self, name: str, reference: str | None = None) -> None:
        """From the registry of the name, which is one without TLS. The image is found under `reference`, too."""
        self._ctr("images", "pull", "--plain-http", name)
        if reference is not None:
            self.alias(name, reference)

    def push(self, reference: str) -> None:
        """To the registry that it names, which is one without TLS."""
        self._ctr("images", "push", "--plain-http", reference)

    def images(self) -> list[str]:
        """References."""
        return [name for name in self._ctr("images", "list", "--quiet").split() if not name.startswith("sha256:")]

    def containers(self) -> set[str]:
        """The ids of those that run, and of those that hold a pod's namespaces; the kubelet forgets the others late."""
        return set(self._ctr("tasks", "list", "--quiet").split())

    def memory(self, namespace: str, pod: str) -> float:
        """Working set in MiB: what the kernel could not take back without swapping, as the kubelet reckons it."""
        group = self._group("memory", self._pod(namespace, pod))
        statistics = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        used = int((group / "memory.usage_in_bytes").read_text())
        return max(0, used - int(statistics["total_inactive_file"])) / MEBIBYTE

    def kill(self, namespace: str, pod: str) -> None:
        """Its containers end as they do when memory is short: at once, without a signal that they could handle."""
        found = self._pod(namespace, pod)
        group = self._group("pids", found)
        for status in found["status"].get("containerStatuses", []):
            container = group / status["containerID"].rpartition("/")[2]
            for process in (container / "cgroup.procs").read_text().split():
                os.kill(int(process), signal.SIGKILL)

    def listens(self) -> bool:
        """containerd can be asked."""
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.layout.socket)) == 0

    def _pod(self, namespace: str, pod: str) -> Record:
        return self.cluster.get(f"/api/v1/namespaces/{namespace}/pods/{pod}")

    def _group(self, hierarchy: str, pod: Record) -> Path:
        quality = pod["status"]["qosClass"].lower()
        parent = GROUPS / hierarchy / self.layout.group / "kubepods"
        return (parent if quality == "guaranteed" else parent / quality) / f"pod{pod['metadata']['uid']}"

    def _ctr(self, *arguments: str) -> str:
        command = ["ctr", "--address", str(self.layout.socket), "--namespace", "k8s.io", *arguments]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
        return done.stdout


def own_programs() -> dict[str, Path]:
    """Reference of an image -> the program that is all of it: what a node runs for itself.

    Where they were never built Go fetches what they are made of, so this comes before `private_network`.
    """
    return {dns.IMAGE: built("coredns"), PAUSE: built("pause")}


@contextmanager
def real_node(cluster: ControlPlane, tools: Toolchain, folder: Path, programs: Mapping[str, Path]) -> Iterator[Node]:
    """The node of a control plane in mode REAL_NODE, when pods can be made and find names.

    Everything of it lies in the folder, which has to be there, and is private to its owner. Its network is that of the
    calling thread. `programs`: its own, and what else shall be there before the first pod.
    """
    layout = Layout(folder=folder, group=f"shop-node-{secrets.token_hex(4)}")
    put_files(cluster, tools, layout).write(folder)
    command = [sys.executable, "-m", "tests.integration.harness.node.machine", str(folder), layout.group]
    node = Node(cluster=cluster, layout=layout)
    environment = {"PATH": tools.path}
    with running("the node", command, folder / "machine.log", node.listens, environment=environment):
        for reference, binary in programs.items():
            file = archive(binary, reference, folder / f"{binary.name}.tar")
            node.import_image(file)
            file.unlink()
        for path, body in dns.objects():
            cluster.post(path, body)
        wait_for(lambda: _is_ready(cluster), NODE_SECONDS, f"the node is ready (its logs: {folder})")
        resolving = dns.resolving(folder)
        wait_for(lambda: _finds_names(resolving), NODE_SECONDS, f"CoreDNS answers (logs of the node: {folder})")
        yield node


def missing(tools: Toolchain) -> dict[str, str]:
    """What a real node lacks on this machine -> how to get it: programs, and what the kernel has to allow."""
    found = tools.missing(NODE_REMEDIES)
    if go() or (is_built("coredns") and is_built("pause")):
        found.pop("go", None)
    found |= {
        name: PACKAGE.format("containernetworking-plugins") for name in NETWORK_PLUGINS if not (PLUGINS / name).exists()
    }
    if os.geteuid() != 0:
        found["root"] = "run the tests as root: namespaces, mounts and control groups are made"
    return found | {part: remedy for part, (there, remedy) in KERNEL.items() if not there.exists()}


def _is_ready(cluster: ControlPlane) -> bool:
    try:
        status = cluster.get(f"/api/v1/nodes/{NODE_NAME}")["status"]
    except urllib.error.HTTPError:  # not yet registered
        return False
    return any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions", []))


def _finds_names(resolving: Sequence[str]) -> bool:
    """CoreDNS answers at the address of its Service: that is, kube-proxy has done its work, too."""
    command = [*resolving, "getent", "hosts", f"kubernetes.default.svc.{CLUSTER_DOMAIN}"]
    return subprocess.run(command, capture_output=True).returncode == 0
