"""Two ways to set up a control plane: one whose pods nobody runs, and one with a node on which they really run."""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.integration.harness.machine.network import NODE

NAMES = (
    *("localhost", "127.0.0.1", NODE, "10.96.0.1"),
    *("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"),
)
"""By which the API server is called. 10.96.0.1 is the first of CLUSTER_IPS, and that of the Service `kubernetes`."""
ISSUER = "https://kubernetes.default.svc"
"""Of the tokens of service accounts."""
CONTROLLERS = (
    "deployment-controller",
    "disruption-controller",
    "endpoints-controller",
    "endpointslice-controller",
    "garbage-collector-controller",
    "job-controller",
    "namespace-controller",
    "replicaset-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
)
"""What makes pods and addresses out of what the program applies, and what cleans up after it."""
NODE_NAME = "node"
"""A kubelet may change the Node and the pods of its own name only."""
ADMIN, MANAGER, SCHEDULER = "admin", "system:kube-controller-manager", "system:kube-scheduler"
KUBELET, PROXY = f"system:node:{NODE_NAME}", "system:kube-proxy"
GROUPS: Mapping[str, str] = {ADMIN: "system:masters", MANAGER: "", SCHEDULER: "", KUBELET: "system:nodes", PROXY: ""}
"""Who has a token, and the group that allows more than the name does. [Kubernetes: using RBAC, core components]"""


@dataclass(frozen=True, kw_only=True)
class Mode:
    """What is different where pods really run."""

    address: str
    """Of the API server, as everybody calls it."""
    port: int | None
    """None: one that is free."""
    api_server: tuple[str, ...]
    manager: tuple[str, ...]
    manages_as: str
    """The user of the controller manager."""
    schedules: bool


STAND_IN = Mode(
    address="127.0.0.1",
    port=None,
    api_server=("--bind-address=127.0.0.1", "--authorization-mode=RBAC", "--endpoint-reconciler-type=none"),
    manager=(f"--controllers={','.join(CONTROLLERS)}", "--use-service-account-credentials=false"),
    manages_as=ADMIN,  # its accounts would be objects that appear while the tests take stock
    schedules=False,
)
REAL_NODE = Mode(
    address=NODE,
    port=6443,
    api_server=(
        "--bind-address=0.0.0.0",  # of a network that has nobody else in it
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--kubelet-preferred-address-types=InternalIP",
        "--allow-privileged",
    ),
    manager=("--use-service-account-credentials=true",),  # a controller may do what its own role allows
    manages_as=MANAGER,
    schedules=True,
)
