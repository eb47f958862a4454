"""A Kubernetes control plane: etcd, API server, controller manager, and a scheduler where there is a node.

The controllers make pods out of Deployments and Jobs, so that the API server's own admission (Pod Security) judges
them. Nothing runs the pods, and `node.py` says that it does (STAND_IN); or `pods/node.py` does (REAL_NODE).
"""

import base64
import json
import secrets
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.authority import authority
from tests.fixtures import free_port, wait_for
from tests.integration.harness.cluster.modes import ADMIN, GROUPS, ISSUER, NAMES, SCHEDULER, STAND_IN, Mode
from tests.integration.harness.machine.network import CLUSTER_IPS
from tests.integration.harness.machine.processes import running
from tests.integration.harness.machine.toolchain import Toolchain

Record = dict[str, Any]

CRDS = Path(__file__).parent / "crds"
"""Custom resources that EKS Auto Mode brings along."""
OF_THE_SERVER = frozenset({"events", "leases", "componentstatuses", "apiservices", "ipaddresses"})
"""Kinds whose objects come and go by themselves."""


@dataclass(frozen=True, kw_only=True)
class ControlPlane:
    endpoint: str
    certificate_authority: str
    """PEM."""
    tokens: Mapping[str, str]
    """User -> token, of all users in GROUPS."""

    @property
    def token(self) -> str:
        """Of an administrator."""
        return self.tokens[ADMIN]

    @property
    def certificate_authority_data(self) -> str:
        """As it stands in a kubeconfig."""
        return base64.b64encode(self.certificate_authority.encode()).decode()

    def get(self, path: str) -> Record:
        """Raises: urllib.error.HTTPError, with the server's reason in its body."""
        return self._call("GET", path)

    def text(self, path: str) -> str:
        """What is no object: logs, metrics. Raises: urllib.error.HTTPError, with the reason in its body."""
        with self._open("GET", path) as answer:
            return str(answer.read().decode(errors="replace"))

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

    def kubeconfig(self, user: str = ADMIN) -> Record:
        server = {"server": self.endpoint, "certificate-authority-data": self.certificate_authority_data}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "it", "cluster": server}],
            "users": [{"name": "it", "user": {"token": self.tokens[user]}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
            "current-context": "it",
        }


@contextmanager
def control_plane(tools: Toolchain, folder: Path, mode: Mode = STAND_IN) -> Iterator[ControlPlane]:
    """Everything of it lies in the folder, which has to be there, and is private to its owner."""
    with ExitStack() as servers:
        key = private_file(folder / "service-accounts.key", _private_key())
        etcd = servers.enter_context(_etcd(tools, folder))
        plane = servers.enter_context(_api_server(tools, folder, mode, etcd, key))
        servers.enter_context(_controller_manager(tools, folder, mode, plane, key))
        if mode.schedules:
            servers.enter_context(_scheduler(tools, folder, plane))
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
def _api_server(tools: Toolchain, folder: Path, mode: Mode, etcd: str, key: Path) -> Iterator[ControlPlane]:
    port = mode.port or free_port()
    issuer = authority(folder / "certificates")
    certificate, certificate_key = issuer.issue(*NAMES)
    plane = ControlPlane(
        endpoint=f"https://{mode.address}:{port}",
        certificate_authority=issuer.certificate,
        tokens={user: secrets.token_urlsafe(24) for user in GROUPS},
    )
    users = "".join(f"{plane.tokens[user]},{user},{user},{group}\n" for user, group in GROUPS.items())
    command = [
        tools.program("kube-apiserver"),
        f"--etcd-servers={etcd}",
        f"--advertise-address={mode.address}",
        f"--secure-port={port}",
        f"--tls-cert-file={private_file(folder / 'certificates' / 'apiserver.crt', certificate)}",
        f"--tls-private-key-file={private_file(folder / 'certificates' / 'apiserver.key', certificate_key)}",
        f"--token-auth-file={private_file(folder / 'tokens.csv', users)}",
        "--anonymous-auth=false",
        f"--service-cluster-ip-range={CLUSTER_IPS}",
        f"--service-account-issuer={ISSUER}",
        f"--service-account-signing-key-file={key}",
        f"--service-account-key-file={key}",
        "--profiling=false",
        *mode.api_server,
    ]
    with running("kube-apiserver", command, folder / "kube-apiserver.log", plane.ready):
        yield plane


@contextmanager
def _controller_manager(tools: Toolchain, folder: Path, mode: Mode, plane: ControlPlane, key: Path) -> Iterator[None]:
    command = [
        tools.program("kube-controller-manager"),
        f"--kubeconfig={put_kubeconfig(plane, mode.manages_as, folder)}",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        f"--secure-port={free_port()}",
        f"--cert-dir={folder / 'certificates'}",
        f"--flex-volume-plugin-dir={folder / 'volume-plugins'}",  # by default a folder of the machine, which it makes
        f"--root-ca-file={private_file(folder / 'ca.crt', plane.certificate_authority)}",
        f"--service-account-private-key-file={key}",
        *mode.manager,
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


@contextmanager
def _scheduler(tools: Toolchain, folder: Path, plane: ControlPlane) -> Iterator[None]:
    command = [
        tools.program("kube-scheduler"),
        f"--kubeconfig={put_kubeconfig(plane, SCHEDULER, folder)}",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        f"--secure-port={free_port()}",
        f"--cert-dir={folder / 'certificates'}",
    ]
    with running("kube-scheduler", command, folder / "kube-scheduler.log", lambda: True):
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


def _private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return key.decode()


def put_kubeconfig(plane: ControlPlane, user: str, folder: Path) -> Path:
    name = user.replace(":", "-")
    return private_file(folder / f"{name}.kubeconfig", json.dumps(plane.kubeconfig(user)))


def private_file(path: Path, content: str) -> Path:
    """Its owner alone reads it, from the first moment on."""
    path.touch(mode=0o600)
    path.write_text(content)
    return path


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except OSError:
        return False
