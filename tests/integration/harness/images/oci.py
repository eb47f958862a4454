"""An image made of one program: one layer, written down as the OCI image layout has it."""

import hashlib
import io
import json
import platform
import tarfile
from pathlib import Path
from typing import Any

Record = dict[str, Any]

USER = "65532:65532"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
MEDIA_TYPE = "application/vnd.oci.image"


def archive(program: Path, reference: str, to: Path) -> Path:
    """A tar file that containerd imports under the reference. The program is its entrypoint."""
    layer = _tar({program.name: program.read_bytes()}, mode=0o755)
    blobs: dict[str, bytes] = {}

    def blob(content: bytes, kind: str) -> Record:
        digest = hashlib.sha256(content).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = content
        return {"mediaType": f"{MEDIA_TYPE}.{kind}", "digest": f"sha256:{digest}", "size": len(content)}

    described = blob(layer, "layer.v1.tar")
    configuration = {
        "architecture": ARCHITECTURES[platform.machine()],
        "os": "linux",
        "config": {"Entrypoint": [f"/{program.name}"], "User": USER},
        "history": [{"created_by": f"a program: {program.name}"}],
        "rootfs": {"type": "layers", "diff_ids": [described["digest"]]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{MEDIA_TYPE}.manifest.v1+json",
        "config": blob(_json(configuration), "config.v1+json"),
        "layers": [described],
    }
    named = blob(_json(manifest), "manifest.v1+json") | {"annotations": {"io.containerd.image.name": reference}}
    index = {"schemaVersion": 2, "mediaType": f"{MEDIA_TYPE}.index.v1+json", "manifests": [named]}
    layout = {"oci-layout": _json({"imageLayoutVersion": "1.0.0"}), "index.json": _json(index)}
    to.write_bytes(_tar(layout | blobs, mode=0o644))
    return to


def _tar(files: dict[str, bytes], mode: int) -> bytes:
    """The same bytes for the same files."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    return written.getvalue()


def _json(record: Record) -> bytes:
    return json.dumps(record).encode()
