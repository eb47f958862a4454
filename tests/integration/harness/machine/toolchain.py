"""The programs that the integration tests drive: found on this machine, or named with the way to get them."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tests.integration.harness.machine.paths import KEPT

KUBERNETES = "1.36.3"
INSTALLED = KEPT / "pulumi" / "bin"
"""Where `make setup` puts the CLI."""
PLUGIN = "pulumi plugin install resource {0} v{1}, then add $PULUMI_HOME/plugins/resource-{0}-v{1} to PATH"
CLUSTER = f"setup-envtest use {KUBERNETES}, then set KUBEBUILDER_ASSETS to the folder that it prints"
RELEASE = f"https://dl.k8s.io/v{KUBERNETES}/bin/<os>/<arch>/{{0}} into PATH"
REMEDIES = {
    "pulumi": "make setup",
    "pulumi-language-python": "make setup",
    "pulumi-resource-aws": PLUGIN.format("aws", version("pulumi-aws")),
    "pulumi-resource-kubernetes": PLUGIN.format("kubernetes", version("pulumi-kubernetes")),
    "kube-apiserver": CLUSTER,
    "etcd": CLUSTER,
    "kube-controller-manager": RELEASE.format("kube-controller-manager"),
}
"""Program -> how to get it. setup-envtest has no controller manager, without which no namespace is ever deleted."""
DOCKER_PLUGIN = "pulumi-resource-docker"
DOCKER_REMEDIES = {
    **{name: REMEDIES[name] for name in ("pulumi", "pulumi-language-python")},
    DOCKER_PLUGIN: f"{PLUGIN.format('docker', version('pulumi-docker'))}; or Go, which builds it",
}
"""What it takes to look up an image as the program does."""
PLUGINS = Path("/usr/lib/cni")
"""Where Debian puts the programs that give a pod its network."""
PACKAGE = "apt-get install {0}"
NODE_REMEDIES = {
    **{name: REMEDIES[name] for name in ("kube-apiserver", "etcd", "kube-controller-manager")},
    **{name: RELEASE.format(name) for name in ("kube-scheduler", "kubelet", "kube-proxy")},
    **dict.fromkeys(("containerd", "ctr"), PACKAGE.format("containerd")),
    "runc": PACKAGE.format("runc"),
    "nft": PACKAGE.format("nftables"),
    "conntrack": PACKAGE.format("conntrack"),
    "ip": PACKAGE.format("iproute2"),
    "unshare": PACKAGE.format("util-linux"),
    "go": "https://go.dev/doc/install",
}
"""What a node needs on which pods really run, and its control plane."""


@dataclass(frozen=True)
class Toolchain:
    folders: tuple[Path, ...]
    """Where programs are looked for, in this order, before PATH."""

    @property
    def path(self) -> str:
        """For the variable PATH of a process."""
        return os.pathsep.join([*map(str, self.folders), os.environ.get("PATH", os.defpath)])

    def find(self, program: str) -> str | None:
        return shutil.which(program, path=self.path)

    def program(self, name: str) -> str:
        """Where it lies. Raises: FileNotFoundError."""
        if (found := self.find(name)) is None:
            raise FileNotFoundError(f"{name} is missing: {(NODE_REMEDIES | REMEDIES)[name]}")
        return found

    def missing(self, remedies: Mapping[str, str] = REMEDIES) -> dict[str, str]:
        """Those of the programs that are not there -> how to get them."""
        return {name: remedy for name, remedy in remedies.items() if self.find(name) is None}


def of_this_machine(environment: Mapping[str, str] = os.environ) -> Toolchain:
    """What SHOP_TOOLCHAIN (a folder with `bin`) and KUBEBUILDER_ASSETS name, what `make setup` installed, and PATH."""
    named = [Path(environment["SHOP_TOOLCHAIN"]) / "bin"] if environment.get("SHOP_TOOLCHAIN") else []
    assets = [Path(environment["KUBEBUILDER_ASSETS"])] if environment.get("KUBEBUILDER_ASSETS") else []
    return Toolchain((*named, *assets, INSTALLED))


def explained(missing: Mapping[str, str]) -> str:
    """Why the tests are skipped: one line."""
    ways: dict[str, list[str]] = {}
    for name, remedy in missing.items():
        ways.setdefault(remedy, []).append(name)
    return "; ".join(f"missing {', '.join(names)}: {remedy}" for remedy, names in ways.items())
