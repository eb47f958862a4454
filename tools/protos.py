"""Writes what follows from each service's `proto/` folder: `python -m tools.protos`, which `make generate` runs.

Go code of a service in Go goes where `option go_package` says; its generators are the `tool`s of the service's go.mod.
Every Python service that calls a service with a `proto/` folder gets the messages in its own package, as
`<package>/<name>_pb2.py`. Where there is no Go, the Go code stays as it is.

The interface is recorded beside its files, in `recorded.json`, an image of Buf. Callers are deployed at other times:
where `buf breaking` finds a change that they would notice, nothing is written. What is new is added to the record.
"""

import importlib.resources
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.capabilities.calls.declaration import callers
from infra.command_line import CommandError, run
from infra.local.binaries import go
from infra.service.catalogue import Catalogue, load

ROOT = Path(__file__).parent.parent
BUF = Path(sys.executable).with_name("buf")
BROKEN = 100
"""The status of `buf breaking` when callers would notice."""
WELL_KNOWN = importlib.resources.files("grpc_tools") / "_proto"
"""The messages that come with the compiler: google/protobuf/timestamp.proto and the like."""

GO_GENERATORS = ("go", "connect-go")


class ProtoError(CommandError):
    """A generator or the compiler refuses; the message has what it said."""


@dataclass(frozen=True)
class Interface:
    """The `proto/` folder of a service."""

    service: str
    folder: Path

    @property
    def files(self) -> list[Path]:
        return sorted(self.folder.glob("*.proto"))

    @property
    def record(self) -> Path:
        return self.folder / "recorded.json"


def interfaces(services: Path) -> list[Interface]:
    """Every one of the folder `services`."""
    return [Interface(folder.parent.name, folder) for folder in sorted(services.glob("*/proto"))]


def generate(services: Path, out: Path, compiler: str | None) -> None:
    """Writes all generated code of the folder `services` to the same places below `out`.

    compiler: the `go` to build the generators of Go code with; without one, there is none of it.

    Raises:
        ProtoError: when something cannot be compiled.
    """
    catalogue = load(services)
    for interface in interfaces(services):
        for package in _packages_of_callers(catalogue, interface, out):
            package.mkdir(parents=True, exist_ok=True)
            _protoc(interface, f"--python_out={package}", f"--pyi_out={package}")
        if compiler is not None and catalogue.services[interface.service].language == "go":
            _generate_go(interface, out / interface.service, compiler)


def image(interface: Interface) -> str:
    """What the files promise to callers.

    Raises:
        ProtoError: when they cannot be compiled.
    """
    built = _run([str(BUF), "build", ".", "--exclude-source-info", "--output", "-#format=json"], interface.folder)
    return json.dumps(json.loads(built), indent=2) + "\n"


def record(interface: Interface) -> list[str]:
    """Adds what is new to the record, unless callers would notice a change: then says which, and leaves the record.

    Raises:
        ProtoError: when the files cannot be compiled.
    """
    now = image(interface)
    if interface.record.exists():
        compare = [str(BUF), "breaking", ".", "--against", interface.record.name]
        said = _run(compare, interface.folder, accepted=(0, BROKEN)).splitlines()
        if said:
            return said
    interface.record.write_text(now)
    return []


def _packages_of_callers(catalogue: Catalogue, interface: Interface, out: Path) -> Iterator[Path]:
    for name in callers(interface.service, catalogue):
        caller = catalogue.services[name]
        if caller.language == "python":
            yield out / caller.name / caller.module


def _generate_go(interface: Interface, out: Path, compiler: str) -> None:
    module_folder = interface.folder.parent
    module = _run([compiler, "list", "-m"], module_folder).strip()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="shop-protos-") as folder:
        _run([compiler, "build", "-o", folder, "tool"], module_folder)
        plugins = [f"--plugin={plugin}" for plugin in sorted(Path(folder).iterdir())]
        outputs = [f"--{name}_out={out}" for name in GO_GENERATORS]
        options = [f"--{name}_opt=module={module}" for name in GO_GENERATORS]
        _protoc(interface, *plugins, *outputs, *options)


def _protoc(interface: Interface, *arguments: str) -> None:
    folders = [f"-I{interface.folder}", f"-I{WELL_KNOWN}"]
    files = [file.name for file in interface.files]
    _run([sys.executable, "-m", "grpc_tools.protoc", *folders, *arguments, *files], interface.folder)


def _run(command: Sequence[str], folder: Path, accepted: Sequence[int] = (0,)) -> str:
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode not in accepted:
        raise ProtoError(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def main() -> int:
    services = ROOT / "services"
    broken = [f"{each.service}: {sentence}" for each in interfaces(services) for sentence in record(each)]
    if broken:
        print(
            "Callers would notice; keep what is there, and add another beside it:", *broken, sep="\n  ", file=sys.stderr
        )
        return 1
    compiler = go()
    if compiler is None:
        print("There is no Go here: the Go code of the interfaces stays as it is.", file=sys.stderr)
    generate(services, services, compiler)
    return 0


if __name__ == "__main__":
    run("protos", main)
