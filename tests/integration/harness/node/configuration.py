"""How containerd, the kubelet and kube-proxy are set up: they write below one folder, and make cgroups below one group.

Where they know fixed paths only, `first_process.py` lays something over these.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.integration.harness.cluster.control_plane import ControlPlane, private_file, put_kubeconfig
from tests.integration.harness.cluster.modes import KUBELET, NODE_NAME, PROXY
from tests.integration.harness.machine.network import CLUSTER_DNS, NODE, PODS, REGISTRY
from tests.integration.harness.machine.toolchain import PLUGINS, Toolchain
from tests.integration.harness.node.first_process import Servers

PAUSE = "shop.test/pause:1"
"""Holds the namespaces of a pod."""
CLUSTER_DOMAIN = "cluster.local"
REGISTRY_PORT = 5000
LABELS: Mapping[str, str] = {
    "topology.kubernetes.io/region": "eu-central-1",
    "topology.kubernetes.io/zone": "eu-central-1a",
}
"""What a node on AWS says of itself, and pods are spread by."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where what lies, in the folder of the node."""

    folder: Path
    group: str
    """Name of the cgroup that is the parent of all others of the node, in every hierarchy."""

    @property
    def socket(self) -> Path:
        return self.folder / "containerd.sock"

    @property
    def images(self) -> Path:
        """Content and snapshots: as much as all images unpacked."""
        return self.folder / "containerd"


def put_files(cluster: ControlPlane, tools: Toolchain, layout: Layout) -> Servers:
    """Writes all that the servers read. Returns their commands."""
    folder = layout.folder
    resolver = private_file(folder / "resolv.conf", f"nameserver {CLUSTER_DNS}\n")
    network, registries = folder / "network", folder / "registries"
    for each in (network, registries / "_default"):
        each.mkdir(parents=True)
    (network / "10-pods.conflist").write_text(json.dumps(_POD_NETWORK))
    (registries / "_default" / "hosts.toml").write_text(_MIRROR)
    containerd = private_file(folder / "containerd.toml", _containerd(layout, network, registries))
    kubelet = private_file(folder / "kubelet.yaml", _kubelet(layout, resolver))
    proxy = private_file(folder / "kube-proxy.yaml", _proxy(put_kubeconfig(cluster, PROXY, folder)))
    return Servers(
        runtime=(tools.program("containerd"), f"--config={containerd}"),
        runtime_socket=str(layout.socket),
        others={
            "kubelet": (
                tools.program("kubelet"),
                f"--config={kubelet}",
                f"--kubeconfig={put_kubeconfig(cluster, KUBELET, folder)}",
                f"--root-dir={folder / 'kubelet'}",
                f"--cert-dir={folder / 'kubelet' / 'pki'}",
                f"--hostname-override={NODE_NAME}",
                f"--node-ip={NODE}",
                f"--node-labels={','.join(f'{key}={value}' for key, value in LABELS.items())}",
            ),
            "kube-proxy": (tools.program("kube-proxy"), f"--config={proxy}"),
        },
    )


def _containerd(layout: Layout, network: Path, registries: Path) -> str:
    """The state is in memory: `first_process.py` gives the node a /run of its own."""
    return f"""
version = 2
root = "{layout.images}"
state = "/run/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt"]  # would write to /opt
[grpc]
  address = "{layout.socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true  # lower than its own is not always allowed
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{registries}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{PLUGINS}"
    conf_dir = "{network}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
"""


_MIRROR = f"""
server = "http://{REGISTRY}:{REGISTRY_PORT}"
[host."http://{REGISTRY}:{REGISTRY_PORT}"]
  capabilities = ["pull", "resolve"]
"""
"""The registry stands for all others: containerd asks for the same repository and digest, and tells whose."""
_POD_NETWORK = {
    "cniVersion": "0.4.0",
    "name": "pods",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": True,
            "hairpinMode": True,
            "ipMasq": False,  # pods have nowhere to go outside
            "ipam": {
                "type": "host-local",
                "dataDir": "/run/cni",
                "ranges": [[{"subnet": PODS}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}


def _kubelet(layout: Layout, resolver: Path) -> str:
    eviction = {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"}
    return yaml.safe_dump(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "failCgroupV1": False,
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{layout.group}",
            "containerRuntimeEndpoint": f"unix://{layout.socket}",
            "podLogsDir": str(layout.folder / "logs"),
            "volumePluginDir": str(layout.folder / "volume-plugins"),
            # Only what is in the private network can ask, and the API server asks without a certificate.
            "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"},
            "clusterDNS": [CLUSTER_DNS],
            "clusterDomain": CLUSTER_DOMAIN,
            "resolvConf": str(resolver),
            "failSwapOn": False,
            "evictionHard": {**eviction, "nodefs.inodesFree": "1%"},
            "imageGCHighThresholdPercent": 100,  # never: the disk is the machine's
            # An image that was pulled can have other names, of which no registry knows.
            "imagePullCredentialsVerificationPolicy": "NeverVerify",
            "nodeStatusUpdateFrequency": "2s",
            "syncFrequency": "5s",
        }
    )


def _proxy(kubeconfig: Path) -> str:
    return yaml.safe_dump(
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "nftables",
            "clientConnection": {"kubeconfig": str(kubeconfig)},
            "clusterCIDR": PODS,
            "hostnameOverride": NODE_NAME,
            "bindAddress": NODE,
            "conntrack": {"maxPerCore": 0, "min": 0},  # limits of the whole machine
        }
    )
