"""Debian's docker-registry, which stands for ECR: where images are pushed to, and pulled from by their digest.

Its storage outlives it. Images are built in the machine's network and pushed to one on 127.0.0.1; the pods' network has
another one on the same storage, at the address that their node pulls from.
"""

import json
import struct
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import yaml

from tests.integration.harness.machine.processes import running

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
TIMEOUT_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class Manifest:
    digest: str
    """`sha256:...`, by which it is pulled."""
    compressed_bytes: int
    """Of its layers, as they are sent."""
    uncompressed_bytes: int
    """Of its layers, as they are kept on a node."""
    layers: list[str]
    """Their digests, the first one lowest."""
    config: dict[str, Any]
    """User, Env, Entrypoint, ... of the image."""
    history: list[str]
    """The steps that made it, as anybody who pulls it can read them."""


@dataclass(frozen=True, kw_only=True)
class Registry:
    address: str
    """`<host>:<port>`, without TLS."""

    def manifest(self, repository: str, reference: str) -> Manifest | None:
        """What is there by this tag or digest."""
        found = self._get(f"{repository}/manifests/{reference}", Accept=MANIFEST)
        if found.status == HTTPStatus.NOT_FOUND:
            return None
        content = json.loads(found.body)
        config = json.loads(self._get(f"{repository}/blobs/{content['config']['digest']}").body)
        layers = [str(layer["digest"]) for layer in content["layers"]]
        return Manifest(
            digest=found.headers["Docker-Content-Digest"],
            compressed_bytes=sum(layer["size"] for layer in content["layers"]),
            uncompressed_bytes=sum(self._uncompressed_bytes(f"{repository}/blobs/{layer}") for layer in layers),
            layers=layers,
            config=config["config"],
            history=[step.get("created_by", "") for step in config["history"]],
        )

    def is_up(self) -> bool:
        try:
            return self._get("").status == HTTPStatus.OK
        except OSError:
            return False

    def _uncompressed_bytes(self, layer: str) -> int:
        """A gzip file ends with the length of its content."""
        return int(struct.unpack("<I", self._get(layer, Range="bytes=-4").body)[0])

    def _get(self, path: str, **headers: str) -> "_Answer":
        connection = HTTPConnection(self.address, timeout=TIMEOUT_SECONDS)
        with closing(connection):
            connection.request("GET", f"/v2/{path}", headers=headers)
            response = connection.getresponse()
            return _Answer(response.status, dict(response.headers), response.read())


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


@contextmanager
def registry(folder: Path, listen: str) -> Iterator[Registry]:
    """One on the storage of this folder, at the address `<host>:<port>` and no other."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / f"{listen.replace(':', '-')}.yaml"
    settings.write_text(
        yaml.safe_dump(
            {
                "version": 0.1,
                "log": {"level": "warn", "accesslog": {"disabled": True}},
                "storage": {"filesystem": {"rootdirectory": str(folder / "storage")}},
                "http": {"addr": listen},
            }
        )
    )
    found = Registry(address=listen)
    with running(
        "the registry", ["docker-registry", "serve", str(settings)], settings.with_suffix(".log"), found.is_up
    ):
        yield found
