"""Services in Go, built with the Go of this machine."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import ClassVar

import pulumi
from pulumi.dynamic import Resource

from infra.local.errors import Refused
from infra.local.provider import EnsuringProvider, Properties

BUILD_SECONDS = 900
"""The first build downloads modules and compiles all of them."""
MISSING = "Go is not on PATH (https://go.dev/doc/install)"


class BuildFailed(Refused):
    """The compiler refuses; the message has its last words."""


def go() -> str | None:
    """The `go` of this machine, if it has one."""
    return shutil.which("go", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/go/bin"]))


class _BinaryProvider(EnsuringProvider):
    replaces: ClassVar[tuple[str, ...]] = ("name", "path")

    def ensure(self, inputs: Properties, before: Properties) -> Properties:
        path, name = Path(inputs["path"]), str(inputs["name"])
        compiler = go()
        if compiler is None:
            raise BuildFailed(f"`{name}` cannot be built: {MISSING}")
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.part")
        # The person's environment, for proxies and caches: nothing of it is kept in the state or in the binary.
        done = subprocess.run(
            [compiler, "build", "-trimpath", "-ldflags", "-s -w", "-o", str(part), f"./cmd/{name}"],
            cwd=inputs["source"],
            env=os.environ | {"CGO_ENABLED": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS,
        )
        if done.returncode != 0:
            said = "\n".join(f"  {line}" for line in f"{done.stdout}{done.stderr}".splitlines()[-20:])
            raise BuildFailed(f"`{name}` cannot be built:\n{said}")
        part.replace(path)  # a process that runs keeps the one it was started from
        return {}

    def present(self, properties: Properties) -> bool:
        return Path(properties["path"]).exists()

    def remove(self, properties: Properties) -> None:
        Path(properties["path"]).unlink(missing_ok=True)


class Binary(Resource, module="local", name="Binary"):
    """The program of the folder `source`, built of its `cmd/<name>`, at `path`. Built again when `version` changes."""

    path: pulumi.Output[str]

    def __init__(
        self, name: str, source: Path, path: Path, version: str, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        properties = {"name": name, "source": str(source), "path": str(path), "version": version}
        super().__init__(_BinaryProvider(), name, properties, opts)
