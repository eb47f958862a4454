"""Writes every Kubernetes object of a stack to a file of its own: `python -m plans.manifests prod [folder]`.

For review, scanners and GitOps; needs neither a cluster nor an account. The objects are those that the program gives to
the Kubernetes provider, whatever version of it a machine has. What AWS will answer stands there as
`${<resource>.<output>}`, an image's digest as sha256: and zeros, and what is secret as `${secret}`.

The provider's own `renderYamlToDirectory` is not used: it writes during `pulumi up` only, which creates the AWS
resources first, gives every object without a name a new one each time, and refuses to work where KUBECONFIG is set.
Given these objects, provider 4.25 wrote the same ones, but for fields that are false or empty, which it leaves out.
"""

import argparse
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from infra.command_line import CommandError, run
from plans import made_up
from plans.planned import Plan, Planned, plan

FOLDER = Path(".shop/manifests")
FIRST = ("apiVersion", "kind", "metadata")
ARN_COLONS = 5
"""arn:<partition>:<service>:<region>:<account>:<resource>."""
NO_DIGEST = "sha256:" + 64 * "0"


class FolderError(CommandError):
    """A folder that holds something that was not written here."""


def answer(kind: str, name: str, inputs: dict[str, Any]) -> Mapping[str, Any]:
    """What AWS would answer, as placeholders that anybody sees are such. For plans.planned.plan."""
    given = dict(made_up.answer(kind, name, inputs))
    if kind.startswith("kubernetes:"):
        return given
    if kind == "docker-build:index:Image":
        return given | {"digest": NO_DIGEST, "ref": f"{(inputs.get('tags') or [name])[0]}@{NO_DIGEST}"}
    shown = {key: value if inputs.get(key) == value else _shown(value, f"{name}.{key}") for key, value in given.items()}
    return {"id": f"${{{name}.id}}", **shown}


def call(token: str, arguments: dict[str, Any]) -> Mapping[str, Any]:
    found = dict(made_up.call(token, arguments))
    return found | {"sha256Digest": NO_DIGEST} if "sha256Digest" in found else found


def _shown(value: Any, path: str) -> Any:
    match value:
        case str() if value.count(":") >= ARN_COLONS and value.startswith("arn:"):
            return ":".join([*value.split(":")[:ARN_COLONS], f"${{{path}}}"])  # whose account is looked at
        case str():
            return f"${{{path}}}"
        case Mapping():
            return {key: _shown(inner, f"{path}.{key}") for key, inner in value.items()}
        case list():
            return [_shown(inner, f"{path}.{index}") for index, inner in enumerate(value)]
    return value


def render(planned: Plan) -> dict[str, str]:
    """File name -> YAML, in the order of the names: `<kind>-<name>.yaml`, and with the namespace where two objects of
    one kind have one name."""
    objects = [_object(each) for each in planned.resources if each.type.startswith("kubernetes:")]
    named: dict[str, list[dict[str, Any]]] = {}
    for each in objects:
        named.setdefault(f"{each['kind']}-{each['metadata']['name']}".lower(), []).append(each)
    files = {}
    for stem, same in named.items():
        for each in same:
            namespace = "" if len(same) == 1 else f"-{each['metadata'].get('namespace', 'default')}"
            file = f"{stem}{namespace}.yaml".replace(":", "-").replace("/", "-")
            if file in files:
                raise LookupError(f"two objects would be written to {file}: {stem} is declared twice")
            files[file] = _yaml(each)
    return dict(sorted(files.items()))


def _object(resource: Planned) -> dict[str, Any]:
    inputs = {
        key: _hidden(value) if key in resource.secrets else _sorted(value) for key, value in resource.inputs.items()
    }
    metadata = {"name": resource.name, **(inputs.get("metadata") or {})}
    everything = inputs | {"metadata": dict(sorted(metadata.items()))}
    return {key: everything[key] for key in (*FIRST, *sorted(everything.keys() - {*FIRST}))}


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(inner) for inner in value] if isinstance(value, list) else value


def _hidden(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _hidden(value[key]) for key in sorted(value)}
    return [_hidden(inner) for inner in value] if isinstance(value, list) else "${secret}"


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks; no anchors, which not every reader of manifests knows."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def _yaml(document: dict[str, Any]) -> str:
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=10_000, allow_unicode=True)


def write(files: Mapping[str, str], folder: Path) -> None:
    """Makes `folder` hold these files and nothing else.

    Raises:
        FolderError: when it holds anything but manifests; nothing is touched then.
    """
    foreign = sorted(each.name for each in folder.glob("*") if each.is_dir() or each.suffix != ".yaml")
    if foreign:
        raise FolderError(f"{folder} holds {', '.join(foreign)}: name an empty folder, or one of manifests")
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Writes every Kubernetes object of a stack to a file of its own.")
    parser.add_argument("stack", help="dev, staging, prod")
    parser.add_argument("folder", nargs="?", type=Path, help=f"default: {FOLDER}/<stack>; it is written anew")
    given = parser.parse_args(arguments)
    from plans.programs import program

    folder = given.folder or FOLDER / given.stack
    files = render(plan(program(given.stack), given.stack, answer, call))
    write(files, folder)
    print(f"{len(files)} objects in {folder}")


if __name__ == "__main__":
    run("manifests", main)
