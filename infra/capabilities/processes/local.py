"""The processes of a service on the laptop: how its code is run, by its language.

Arguments and variables are the same for all languages.
"""

import math
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi import ResourceOptions

from infra.capabilities.processes.declaration import ProcessesDeclaration
from infra.contract import NOTHING, Binding
from infra.fingerprint import fingerprint
from infra.local import binaries
from infra.local.foundation import Foundation
from infra.local.platform import ROOT


@dataclass(frozen=True, kw_only=True)
class Code:
    command: Sequence[str]
    """Serves; with the argument of a task behind it, does that instead."""
    directory: str
    version: str
    """Another one when the code is another."""
    binding: Binding
    missing: str | None = None
    """Why it cannot be run on this machine."""


def code_of(spec: ProcessesDeclaration, on: Foundation, parent: pulumi.Resource) -> Code:
    """`parent`: of what has to be built."""
    return _go(spec, on, parent) if spec.language == "go" else _python(spec, on)


def _python(spec: ProcessesDeclaration, on: Foundation) -> Code:
    folder, chassis = on.source / spec.name, on.source / "chassis"
    return Code(
        command=[sys.executable, "-m", spec.module],
        directory=str(folder),
        version=fingerprint(folder, chassis / "chassis", ROOT / "uv.lock"),
        binding=Binding(variables={"PATH": os.defpath, "PYTHONPATH": f"{folder}:{chassis}", "PYTHONUNBUFFERED": "1"}),
    )


def _go(spec: ProcessesDeclaration, on: Foundation, parent: pulumi.Resource) -> Code:
    """Where there is no Go, a binary that was built of the same source will do."""
    source = on.source / spec.name
    version = fingerprint(source, on.source / "chassis" / "go")
    path = on.platform.binaries / f"{spec.name}-{version}"
    if binaries.go() is None and not path.exists():
        return Code(command=[], directory=str(source), version=version, binding=NOTHING, missing=binaries.MISSING)
    built = binaries.Binary(spec.name, source, path, version, ResourceOptions(parent=parent))
    processors = math.ceil(spec.resources.cpu_millis / 1000)
    return Code(
        command=[str(path)],
        directory=str(source),
        version=version,
        # As many as it asks for. By default Go takes all of the machine, which others need here, and wakes them often.
        binding=Binding(variables={"GOMAXPROCS": str(processors)}, ready=[built]),
    )
