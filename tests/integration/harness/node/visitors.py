"""Pods that look around and say what they see, locked down as the program locks down its own."""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures import wait_for
from tests.integration.harness.cluster.control_plane import ControlPlane, control_plane
from tests.integration.harness.cluster.modes import REAL_NODE
from tests.integration.harness.machine.programs import built
from tests.integration.harness.machine.toolchain import Toolchain
from tests.integration.harness.node.node import Node, own_programs, real_node

Record = dict[str, Any]

NAMESPACE = "visitors"
VISITOR = "shop.test/visitor:1"
SECONDS = 30
USER = 65532
POD_SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": USER,
    "runAsGroup": USER,
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINER_SECURITY = {
    "allowPrivilegeEscalation": False,
    "privileged": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
"""As `infra/kubernetes/pods.py` locks down every pod."""


@dataclass(kw_only=True)
class Visitors:
    """The cluster, and what makes pods in it."""

    cluster: ControlPlane
    node: Node
    folder: Path
    servers: ExitStack
    """Ends all of it, when it is closed."""
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def spec(self, *wishes: str, image: str = VISITOR, **pod: Any) -> Record:
        container = {
            "name": "visitor",
            "image": image,
            "imagePullPolicy": "IfNotPresent",
            "args": wishes,
            "securityContext": CONTAINER_SECURITY,
            **pod.pop("container", {}),
        }
        return {
            "securityContext": POD_SECURITY,
            "containers": [container],
            "terminationGracePeriodSeconds": 1,
            "restartPolicy": "Never",
            **pod,
        }

    def start(self, *wishes: str, **pod: Any) -> str:
        """The name of a new pod."""
        name = f"visitor-{next(self.numbers)}"
        body = {"metadata": {"name": name}, "spec": self.spec(*wishes, **pod)}
        self.cluster.post(f"/api/v1/namespaces/{NAMESPACE}/pods", body)
        return name

    def status(self, pod: str) -> Record:
        return dict(self.cluster.get(f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}")["status"])

    def ask(self, *wishes: str, **pod: Any) -> dict[str, Any]:
        """What a pod has to say, which then ends."""
        name = self.start(*wishes, **pod)
        self.wait(lambda: self.status(name)["phase"] == "Succeeded", name)
        return said(self.node.logs(NAMESPACE, name))

    def wait(self, check: Callable[[], bool], pod: str) -> None:
        """Fails with what the kubelet says of the pod."""
        try:
            wait_for(check, SECONDS, f"{pod} is as it should be")
        except pytest.fail.Exception:
            pytest.fail(f"{pod}: {json.dumps(self.status(pod).get('containerStatuses'), indent=1)}")


def programs() -> dict[str, Path]:
    """What the node runs, built before `private_network`."""
    return {**own_programs(), VISITOR: built("visitor")}


def started(tools: Toolchain, folder: Path, programs: Mapping[str, Path], servers: ExitStack) -> Visitors:
    """A node with an empty namespace for visitors, in the network of the caller."""
    folders = [folder / name for name in ("cluster", "machine")]
    for each in folders:
        each.mkdir(mode=0o700)
    cluster = servers.enter_context(control_plane(tools, folders[0], REAL_NODE))
    node = servers.enter_context(real_node(cluster, tools, folders[1], programs))
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.post("/api/v1/namespaces", {"metadata": {"name": NAMESPACE, "labels": labels}})
    accounts = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts"
    wait_for(lambda: len(cluster.items(accounts)) == 1, SECONDS, "pods have an account")
    return Visitors(cluster=cluster, node=node, folder=folder, servers=servers)


def said(log: str) -> dict[str, Any]:
    """Wish -> answer."""
    return {key: value for line in log.splitlines() for key, value in json.loads(line).items()}
