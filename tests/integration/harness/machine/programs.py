"""Programs in Go that the tests need, built once on a machine: static, so that an image needs nothing else in it."""

import hashlib
import os
import subprocess
from pathlib import Path

from infra.local.binaries import BUILD_SECONDS, MISSING, go
from tests.integration.harness.machine.paths import KEPT

SOURCES = Path(__file__).parents[1] / "programs"


def built(name: str, tags: str = "") -> Path:
    """The static binary of the module in the folder of this name, with these build tags. The first time takes minutes.

    Raises:
        FileNotFoundError: it has to be built, and Go is missing.
        RuntimeError: the compiler refuses; the message has its words.
    """
    path = _path(name)
    if not path.exists():
        if (compiler := go()) is None:
            raise FileNotFoundError(f"{name} cannot be built: {MISSING}")
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        done = subprocess.run(
            [compiler, "build", "-trimpath", "-tags", tags, "-ldflags", "-s -w", "-o", str(part), "."],
            cwd=SOURCES / name,
            env=os.environ | {"CGO_ENABLED": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{name} cannot be built:\n{done.stdout}{done.stderr}")
        part.replace(path)
        for older in set(path.parent.iterdir()) - {path}:
            older.unlink()
    return path


def is_built(name: str) -> bool:
    return _path(name).exists()


def _path(name: str) -> Path:
    """Another source has another path."""
    source = hashlib.sha256()
    for file in sorted((SOURCES / name).iterdir()):
        source.update(file.read_bytes())
    return KEPT / name / f"{name}-{source.hexdigest()[:12]}"
