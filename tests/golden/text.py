"""A plan as text: YAML, one entry for each resource, sorted, so that a diff of two says what became of what."""

import hashlib
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from plans.planned import STACK, Called, Plan, Planned
from tests.golden.answers import short

ROOT = Path(__file__).resolve().parent.parent.parent
CERTIFICATES = re.compile(r"(-----BEGIN CERTIFICATE-----\n.*?-----END CERTIFICATE-----\n?)+", re.DOTALL)
WIDTH = 120
ON_ONE_LINE, LIST_ON_ONE_LINE, TOO_LONG = 88, 200, 1_000


class _Dumper(yaml.CSafeDumper):
    """What is short stands on one line, texts of several lines as blocks; what is twice in it stands there twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent(self, data: Any) -> None:
        node = self.represent_data(data)
        assert isinstance(node, yaml.CollectionNode)
        node.flow_style = False
        self.serialize(node)

    def represent_data(self, data: Any) -> yaml.Node:
        if isinstance(data, str) and "\n" in data:
            return self.represent_scalar("tag:yaml.org,2002:str", data, style="|")
        node = super().represent_data(data)
        if isinstance(node, yaml.CollectionNode):
            listed = isinstance(node, yaml.SequenceNode)
            node.flow_style = _length(node) <= (LIST_ON_ONE_LINE if listed else ON_ONE_LINE)
        return node


def _length(node: yaml.Node) -> int:
    """Of what it takes on one line."""
    match node:
        case yaml.ScalarNode():
            return len(node.value) + 2 + (TOO_LONG if node.style == "|" else 0)
        case yaml.MappingNode():
            parts = [part for pair in node.value for part in pair]
        case _:
            parts = node.value
    return sum(TOO_LONG if getattr(part, "flow_style", True) is False else _length(part) for part in parts)


def text(plan: Plan) -> str:
    """What somebody reviews. The same for the same program, in any order of its registrations.

    Raises:
        LookupError: when two resources would stand under one name.
    """
    return "".join(
        yaml.dump({section: shown}, Dumper=_Dumper, width=WIDTH, allow_unicode=True)
        for section, shown in whole(plan).items()
    )


def whole(plan: Plan) -> dict[str, Any]:
    """What stands in the text, by its sections."""
    entries: dict[str, Any] = {}
    for resource in plan.resources:
        name = _name(resource)
        if name in entries:
            raise LookupError(f"{name} is there twice")
        entries[name] = _entry(resource, plan)
    return {
        "exports": _readable(plan.outputs),
        "calls": sorted((_called(each, plan) for each in plan.calls), key=json.dumps),
        "resources": entries,
    }


def _name(resource: Planned) -> str:
    return f"{short(resource.type)} {resource.name}"


def _entry(resource: Planned, plan: Plan) -> dict[str, Any]:
    inputs = {key: _readable(value) for key, value in resource.inputs.items()}
    entry = {
        "parent": _of_urn(resource.parent, plan),
        "provider": _of_urn(resource.provider, plan),
        "needs": _unseen(resource, plan),
        "protect": resource.protect,
        "ignores": list(resource.ignores),
        "secret": sorted(resource.secrets),
        **_options(resource),
        "inputs": inputs,
        "outputs": _readable(plan.registered_outputs.get(resource.urn, {})),
    }
    return {key: value for key, value in entry.items() if value not in ("", [], {}, False)}


def _options(resource: Planned) -> dict[str, Any]:
    """Without the former versions of its API, which the Kubernetes SDK gives each type as aliases."""
    options = dict(resource.options)
    named = [each for each in options.pop("aliases", []) if not _of_the_sdk(each)]
    return options | ({"aliases": named} if named else {})


def _of_the_sdk(alias: Mapping[str, Any]) -> bool:
    return "name" not in alias.get("spec", {}) and alias.get("spec", {}).get("type", "").startswith("kubernetes:")


def _unseen(resource: Planned, plan: Plan) -> list[str]:
    """What it waits for and does not name in its inputs: `depends_on`, and outputs of which nothing is left to see."""
    seen = json.dumps(resource.inputs)
    needed = {name for urn in resource.dependencies if (name := _of_urn(urn, plan))}
    return sorted(name for name in needed if f"${{{name}." not in seen)


def _of_urn(urn: str, plan: Plan) -> str:
    if not urn or urn.rpartition("::")[0].endswith(f"::{STACK}"):
        return ""
    return _name(plan.by_urn[urn]) if urn in plan.by_urn else urn


def _called(called: Called, plan: Plan) -> dict[str, Any]:
    shown = {"function": called.token.rpartition(":")[2], "provider": _of_urn(called.provider, plan)}
    return {**shown, "arguments": _readable(called.arguments)}


def _readable(value: Any) -> Any:
    """Documents that are handed over as text are taken apart; of certificates, only which they are is told."""
    match value:
        case Mapping():
            return {key: _readable(inner) for key, inner in value.items()}
        case list():
            return [_readable(inner) for inner in value]
        case str() if value.startswith(("{", "[")):
            try:
                return {"(json)": _readable(json.loads(value))}
            except json.JSONDecodeError:
                return _short(value)
        case str():
            return _short(value)
    return value


def _short(value: str) -> str:
    here = value.replace(sys.executable, "${python}").replace(str(ROOT), "${root}")
    return CERTIFICATES.sub(_which, here)


def _which(certificates: re.Match[str]) -> str:
    pem = certificates[0]
    return f"${{{pem.count('BEGIN')} certificates, sha256 {hashlib.sha256(pem.encode()).hexdigest()[:12]}}}\n"
