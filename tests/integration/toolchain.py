"""The programs that the integration tests drive: found on this machine, or named with the way to get them."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

KUBERNETES = "1.36.3"
INSTALLED = Path(__file__).parent.parent.parent / ".shop" / "pulumi" / "bin"
"""Where `make setup` puts the CLI."""
PLUGIN = "pulumi plugin install resource {0} v{1}, then add $PULUMI_HOME/plugins/resource-{0}-v{1} to PATH"
CLUSTER = f"setup-envtest use {KUBERNETES}, then set KUBEBUILDER_ASSETS to the folder that it prints"
REMEDIES: Mapping[str, str] = {
    "pulumi": "make setup",
    "pulumi-language-python": "make setup",
    "pulumi-resource-aws": PLUGIN.format("aws", version("pulumi-aws")),
    "pulumi-resource-kubernetes": PLUGIN.format("kubernetes", version("pulumi-kubernetes")),
    "kube-apiserver": CLUSTER,
    "etcd": CLUSTER,
    "kube-controller-manager": f"https://dl.k8s.io/v{KUBERNETES}/bin/<os>/<arch>/kube-controller-manager into PATH",
}
"""Program -> how to get it. setup-envtest has no controller manager, without which no namespace is ever deleted."""


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
            raise FileNotFoundError(f"{name} is missing: {REMEDIES[name]}")
        return found

    def missing(self) -> dict[str, str]:
        """The programs that are not there -> how to get them."""
        return {name: remedy for name, remedy in REMEDIES.items() if self.find(name) is None}


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
