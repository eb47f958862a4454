"""A Kubernetes control plane: etcd, API server, controller manager.

The controllers make pods out of Deployments and Jobs, so that the API server's own admission (Pod Security) judges
them. Nothing runs the pods; `node.py` says that it does.
"""

import base64
import json
import secrets
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.fixtures import free_port, wait_for
from tests.integration.processes import running
from tests.integration.toolchain import Toolchain

Record = dict[str, Any]

CRDS = Path(__file__).parent / "crds"
"""Custom resources that EKS Auto Mode brings along."""
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
OF_THE_SERVER = frozenset({"events", "leases", "componentstatuses", "apiservices", "ipaddresses"})
"""Kinds whose objects come and go by themselves."""


@dataclass(frozen=True, kw_only=True)
class ControlPlane:
    endpoint: str
    certificate_authority: str
    """PEM."""
    token: str
    """Of an administrator."""

    @property
    def certificate_authority_data(self) -> str:
        """As it stands in a kubeconfig."""
        return base64.b64encode(self.certificate_authority.encode()).decode()

    def get(self, path: str) -> Record:
        """Raises: urllib.error.HTTPError, with the server's reason in its body."""
        return self._call("GET", path)

    def post(self, path: str, body: Record) -> Record:
        """Raises: urllib.error.HTTPError, with the server's reason in its body."""
        return self._call("POST", path, body)

    def patch(self, path: str, body: Record) -> Record:
        """A merge patch. Raises: urllib.error.HTTPError, with the server's reason in its body."""
        return self._call("PATCH", path, body)

    def delete(self, path: str, options: Record) -> Record:
        """Raises: urllib.error.HTTPError, with the server's reason in its body."""
        return self._call("DELETE", path, options)

    def ready(self) -> bool:
        try:
            self._open("GET", "/readyz").close()
        except OSError:  # urllib's and TLS's errors among them
            return False
        return True

    def items(self, path: str) -> list[Record]:
        """The objects of a list."""
        return list(self.get(path)["items"])

    def inventory(self) -> set[str]:
        """The path of every object, of all kinds and in all namespaces."""
        return {
            f"{version}/{kind['name']}/{item['metadata'].get('namespace', '')}/{item['metadata']['name']}"
            for version in self._versions()
            for kind in self.get(version)["resources"]
            if "list" in kind["verbs"] and "/" not in kind["name"] and kind["name"] not in OF_THE_SERVER
            for item in self.items(f"{version}/{kind['name']}")
        }

    def _versions(self) -> list[str]:
        groups = self.get("/apis")["groups"]
        return ["/api/v1", *(f"/apis/{group['preferredVersion']['groupVersion']}" for group in groups)]

    def _call(self, method: str, path: str, body: Record | None = None) -> Record:
        with self._open(method, path, body) as answer:
            return dict(json.load(answer))

    def _open(self, method: str, path: str, body: Record | None = None) -> Any:
        content_type = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": content_type}
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.endpoint + path, content, headers, method=method)  # noqa: S310
        trusted = ssl.create_default_context(cadata=self.certificate_authority)
        return urllib.request.urlopen(request, context=trusted, timeout=10)  # noqa: S310

    def kubeconfig(self) -> Record:
        server = {"server": self.endpoint, "certificate-authority-data": self.certificate_authority_data}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "it", "cluster": server}],
            "users": [{"name": "it", "user": {"token": self.token}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
            "current-context": "it",
        }


@contextmanager
def control_plane(tools: Toolchain, folder: Path) -> Iterator[ControlPlane]:
    """Everything of it lies in the folder, which has to be there, and is private to its owner."""
    with ExitStack() as servers:
        etcd = servers.enter_context(_etcd(tools, folder))
        plane = servers.enter_context(_api_server(tools, folder, etcd))
        kubeconfig = folder / "kubeconfig.json"
        kubeconfig.touch(mode=0o600)
        kubeconfig.write_text(json.dumps(plane.kubeconfig()))
        servers.enter_context(_controller_manager(tools, folder, plane, kubeconfig))
        for file in sorted(CRDS.glob("*.yaml")):
            _define(plane, yaml.safe_load(file.read_text()))
        yield plane


@contextmanager
def _etcd(tools: Toolchain, folder: Path) -> Iterator[str]:
    clients, peers = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    command = [
        tools.program("etcd"),
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={clients}",
        f"--advertise-client-urls={clients}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=default={peers}",
        "--unsafe-no-fsync",  # its data lives for minutes
    ]
    with running("etcd", command, folder / "etcd.log", lambda: _answers(f"{clients}/health")):
        yield clients


@contextmanager
def _api_server(tools: Toolchain, folder: Path, etcd: str) -> Iterator[ControlPlane]:
    port, token, certificates = free_port(), secrets.token_urlsafe(24), folder / "certificates"
    tokens, key = folder / "tokens.csv", folder / "service-accounts.key"
    for private in (tokens, key):
        private.touch(mode=0o600)
    tokens.write_text(f"{token},admin,admin,system:masters\n")
    key.write_bytes(_private_key())
    command = [
        tools.program("kube-apiserver"),
        f"--etcd-servers={etcd}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={certificates}",  # makes its own authority there
        f"--token-auth-file={tokens}",
        "--authorization-mode=RBAC",
        "--anonymous-auth=false",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-signing-key-file={key}",
        f"--service-account-key-file={key}",
        "--endpoint-reconciler-type=none",
        "--profiling=false",
    ]

    def plane() -> ControlPlane:
        chain = (certificates / "apiserver.crt").read_text()
        authority = chain[chain.rindex("-----BEGIN CERTIFICATE-----") :]  # the leaf comes first
        return ControlPlane(endpoint=f"https://127.0.0.1:{port}", certificate_authority=authority, token=token)

    def ready() -> bool:
        return (certificates / "apiserver.crt").exists() and plane().ready()

    with running("kube-apiserver", command, folder / "kube-apiserver.log", ready):
        yield plane()


@contextmanager
def _controller_manager(tools: Toolchain, folder: Path, plane: ControlPlane, kubeconfig: Path) -> Iterator[None]:
    command = [
        tools.program("kube-controller-manager"),
        f"--kubeconfig={kubeconfig}",
        f"--controllers={','.join(CONTROLLERS)}",
        "--use-service-account-credentials=false",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        f"--secure-port={free_port()}",
        f"--cert-dir={folder / 'certificates'}",
        f"--root-ca-file={_file(folder / 'ca.crt', plane.certificate_authority)}",
    ]

    def works() -> bool:
        """It has made the account that pods have unless they name another."""
        try:
            plane.get("/api/v1/namespaces/default/serviceaccounts/default")
        except urllib.error.HTTPError:
            return False
        return True

    with running("kube-controller-manager", command, folder / "kube-controller-manager.log", works):
        yield


def _define(plane: ControlPlane, definition: Record) -> None:
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    plane.post(path, definition)
    spec = definition["spec"]

    def served() -> bool:
        try:
            plane.items(f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}")
        except urllib.error.HTTPError:  # 404, then 429 while its storage is made ready
            return False
        return True

    wait_for(served, 20, f"the API server serves {definition['metadata']['name']}")


def _private_key() -> bytes:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _file(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except OSError:
        return False
