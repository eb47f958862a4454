"""Writes what follows from each service's `proto/` folder: `python -m tools.protos`, which `make generate` runs.

Go code of a service in Go goes where `option go_package` says; its generators are the `tool`s of the service's go.mod.
Every Python service that calls a service with a `proto/` folder gets the messages in its own package, as
`<package>/<name>_pb2.py`. Where there is no Go, the Go code stays as it is.

The interface is recorded beside each file, in `<name>.recorded.json`: callers are deployed at other times, so what is
recorded never changes and never goes. What is new is added to the record here.
"""

import importlib.resources
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet

from infra.capabilities.calls.declaration import callers
from infra.command_line import CommandError, run
from infra.local.binaries import go
from infra.service.catalogue import Catalogue, load

ROOT = Path(__file__).parent.parent
WELL_KNOWN = importlib.resources.files("grpc_tools") / "_proto"
"""The messages that come with the compiler: google/protobuf/timestamp.proto and the like."""

GO_GENERATORS = ("go", "connect-go")

Promises = Mapping[str, Mapping[str, str]]
"""Of each message, enum and service, by its full name: its fields, values and methods, each in words."""


class ProtoError(CommandError):
    """A generator or the compiler refuses; the message has what it said."""


@dataclass(frozen=True)
class Proto:
    """A .proto file of a service."""

    service: str
    file: Path

    @property
    def record(self) -> Path:
        return self.file.with_suffix(".recorded.json")


def protos(services: Path) -> list[Proto]:
    """Every .proto file of the folder `services`."""
    return [Proto(file.parent.parent.name, file) for file in sorted(services.glob("*/proto/*.proto"))]


def generate(services: Path, out: Path, compiler: str | None) -> None:
    """Writes all generated code of the folder `services` to the same places below `out`.

    compiler: the `go` to build the generators of Go code with; without one, there is none of it.

    Raises:
        ProtoError: when something cannot be compiled.
    """
    catalogue = load(services)
    for proto in protos(services):
        for package in _packages_of_callers(catalogue, proto, out):
            package.mkdir(parents=True, exist_ok=True)
            _protoc(proto, f"--python_out={package}", f"--pyi_out={package}")
        if compiler is not None and catalogue.services[proto.service].language == "go":
            _generate_go(proto, out / proto.service, compiler)


def promises(proto: Proto) -> Promises:
    """What the file promises to callers."""
    with tempfile.NamedTemporaryFile(suffix=".binpb") as described:
        _protoc(proto, f"--descriptor_set_out={described.name}")
        [file] = FileDescriptorSet.FromString(Path(described.name).read_bytes()).file
    found: dict[str, Mapping[str, str]] = {}
    for message in file.message_type:
        found |= _of_message(file.package, message)
    found |= _of_enums(file.package, file.enum_type)
    for service in file.service:
        found[f"{file.package}.{service.name}"] = {
            method.name: " ".join(
                [
                    *(["stream of"] if method.client_streaming else []),
                    method.input_type.removeprefix("."),
                    "->",
                    *(["stream of"] if method.server_streaming else []),
                    method.output_type.removeprefix("."),
                ]
            )
            for method in service.method
        }
    return found


def broken(recorded: Promises, now: Promises) -> list[str]:
    """A sentence for each promise that is not kept any more. What is new breaks nothing."""
    sentences = []
    for name, members in recorded.items():
        if name not in now:
            sentences.append(f"{name} is gone; callers use it: keep it")
            continue
        for member, promised in members.items():
            is_now = now[name].get(member)
            if is_now is None:
                sentences.append(f"{name}.{member} is gone; callers use it: keep it")
            elif is_now != promised:
                sentences.append(f"{name}.{member} was `{promised}` and is `{is_now}`; add another beside it instead")
    return sentences


def record(proto: Proto) -> list[str]:
    """Adds what is new to the record of a file, unless a promise is broken: then says so, and leaves the record."""
    now = promises(proto)
    recorded: Promises = json.loads(proto.record.read_text()) if proto.record.exists() else {}
    sentences = [f"{proto.file.name}: {sentence}" for sentence in broken(recorded, now)]
    if not sentences:
        proto.record.write_text(json.dumps(now, indent=2) + "\n")
    return sentences


def _packages_of_callers(catalogue: Catalogue, proto: Proto, out: Path) -> Iterator[Path]:
    for name in callers(proto.service, catalogue):
        caller = catalogue.services[name]
        if caller.language == "python":
            yield out / caller.name / caller.module


def _generate_go(proto: Proto, out: Path, compiler: str) -> None:
    module_folder = proto.file.parent.parent
    module = _run([compiler, "list", "-m"], module_folder).strip()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="shop-protos-") as folder:
        _run([compiler, "build", "-o", folder, "tool"], module_folder)
        plugins = [f"--plugin={plugin}" for plugin in sorted(Path(folder).iterdir())]
        outputs = [f"--{name}_out={out}" for name in GO_GENERATORS]
        options = [f"--{name}_opt=module={module}" for name in GO_GENERATORS]
        _protoc(proto, *plugins, *outputs, *options)


def _protoc(proto: Proto, *arguments: str) -> None:
    folders = [f"-I{proto.file.parent}", f"-I{WELL_KNOWN}"]
    _run([sys.executable, "-m", "grpc_tools.protoc", *folders, *arguments, proto.file.name], proto.file.parent)


def _run(command: Sequence[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise ProtoError(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def _of_message(scope: str, message: DescriptorProto) -> dict[str, Mapping[str, str]]:
    name = f"{scope}.{message.name}"
    found: dict[str, Mapping[str, str]] = {name: {field.name: _in_words(field) for field in message.field}}
    for nested in message.nested_type:
        found |= _of_message(name, nested)
    return found | _of_enums(name, message.enum_type)


def _of_enums(scope: str, enums: Sequence[EnumDescriptorProto]) -> dict[str, Mapping[str, str]]:
    return {f"{scope}.{enum.name}": {value.name: str(value.number) for value in enum.value} for enum in enums}


def _in_words(field: FieldDescriptorProto) -> str:
    """Label, type and number of a field: `repeated shop.pricing.v1.Line = 1`."""
    label = FieldDescriptorProto.Label.Name(field.label).removeprefix("LABEL_").lower()
    scalar = FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()
    presence = "explicit " if field.proto3_optional else ""
    oneof = f" of oneof {field.oneof_index}" if field.HasField("oneof_index") and not field.proto3_optional else ""
    return f"{presence}{label} {field.type_name.removeprefix('.') or scalar} = {field.number}{oneof}"


def main() -> int:
    services = ROOT / "services"
    sentences = [sentence for proto in protos(services) for sentence in record(proto)]
    if sentences:
        print("The interface breaks its callers; nothing was written:", *sentences, sep="\n  ", file=sys.stderr)
        return 1
    compiler = go()
    if compiler is None:
        print("There is no Go here: the Go code of the interfaces stays as it is.", file=sys.stderr)
    generate(services, services, compiler)
    return 0


if __name__ == "__main__":
    run("protos", main)
