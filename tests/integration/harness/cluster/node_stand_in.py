"""A node that says of every pod that it runs, and runs none: what a Deployment, a Job and a Service are waited for.

A server's pod is ready at once; a Job's pod has succeeded at once.
"""

import itertools
import threading
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from tests.integration.harness.cluster.control_plane import ControlPlane

Record = dict[str, Any]

NAME = "node"
LOOK_SECONDS = 0.25


@contextmanager
def node(cluster: ControlPlane) -> Iterator[None]:
    """Tends to the pods of the cluster for the time of the context."""
    cluster.post("/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NAME}})
    tending = _Tending(cluster)
    tending.start()
    try:
        yield
    finally:
        tending.ended.set()
        tending.join()


class _Tending(threading.Thread):
    def __init__(self, cluster: ControlPlane) -> None:
        super().__init__(name="node", daemon=True)
        self.ended = threading.Event()
        self._cluster = cluster
        self._addresses = (f"10.244.{number // 250}.{number % 250 + 1}" for number in itertools.count())

    def run(self) -> None:
        while not self.ended.wait(LOOK_SECONDS):
            for pod in self._cluster.items("/api/v1/pods"):
                try:
                    self._tend(pod)
                except urllib.error.HTTPError as error:
                    if error.code not in (404, 409):  # gone or changed meanwhile: the next look sees
                        raise

    def _tend(self, pod: Record) -> None:
        metadata = pod["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        if "deletionTimestamp" in metadata:
            self._cluster.delete(path, {"gracePeriodSeconds": 0})
        elif "nodeName" not in pod["spec"]:
            target = {"apiVersion": "v1", "kind": "Node", "name": NAME}
            self._cluster.post(f"{path}/binding", {"metadata": {"name": metadata["name"]}, "target": target})
        elif pod["status"]["phase"] == "Pending":
            of_job = any(owner["kind"] == "Job" for owner in metadata.get("ownerReferences", []))
            self._cluster.patch(f"{path}/status", {"status": self._ended(pod) if of_job else self._running(pod)})

    def _running(self, pod: Record) -> Record:
        now, address = _now(), next(self._addresses)
        kinds = ("PodScheduled", "Initialized", "ContainersReady", "Ready")
        return {
            "phase": "Running",
            "startTime": now,
            "podIP": address,
            "podIPs": [{"ip": address}],
            "conditions": [{"type": kind, "status": "True", "lastTransitionTime": now} for kind in kinds],
            "containerStatuses": _containers(pod, ready=True, state={"running": {"startedAt": now}}),
        }

    def _ended(self, pod: Record) -> Record:
        now = _now()
        state = {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": now, "finishedAt": now}}
        return {
            "phase": "Succeeded",
            "startTime": now,
            "containerStatuses": _containers(pod, ready=False, state=state),
        }


def _containers(pod: Record, *, ready: bool, state: Record) -> list[Record]:
    return [
        {
            "name": container["name"],
            "image": container["image"],
            "imageID": container["image"],
            "ready": ready,
            "started": ready,
            "restartCount": 0,
            "state": state,
        }
        for container in pod["spec"]["containers"]
    ]


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
