"""How the code of a service is run on the laptop, by its language. Arguments and environment are the same for all."""

import math
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pulumi
from pulumi import ResourceOptions

from infra.catalogue import ServiceSpec
from infra.fingerprint import fingerprint
from infra.local import binaries
from infra.local.platform import ROOT


@dataclass(frozen=True, kw_only=True)
class Code:
    command: Sequence[str]
    """Serves; with the word `migrate` behind it, brings the database to head."""
    version: str
    environment: Mapping[str, str] = field(default_factory=dict)
    needs: Sequence[pulumi.Resource] = ()
    missing: str | None = None
    """Why it cannot be run on this machine."""


def python(spec: ServiceSpec, source: Path) -> Code:
    """`source`: the folder of all services."""
    folder, chassis = source / spec.name, source / "chassis"
    return Code(
        command=[sys.executable, "-m", spec.module],
        version=fingerprint(folder, chassis / "chassis", ROOT / "uv.lock"),
        environment={"PATH": os.defpath, "PYTHONPATH": f"{folder}:{chassis}", "PYTHONUNBUFFERED": "1"},
    )


def go(spec: ServiceSpec, source: Path, folder: Path, parent: pulumi.Resource) -> Code:
    """Its binary is built in `folder`. Where there is no Go, one that was built of the same source will do."""
    version = fingerprint(source / spec.name, source / "chassis" / "go")
    path = folder / f"{spec.name}-{version}"
    if binaries.go() is None and not path.exists():
        return Code(command=[], version=version, missing=binaries.MISSING)
    built = binaries.Binary(spec.name, source / spec.name, path, version, ResourceOptions(parent=parent))
    processors = math.ceil(spec.resources.cpu_millis / 1000)
    return Code(
        command=[str(path)],
        version=version,
        # As many as it asks for. By default Go takes all of the machine, which others need here, and wakes them often.
        environment={"GOMAXPROCS": str(processors)},
        needs=[built],
    )
