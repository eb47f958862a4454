"""What services promise each other about events: a recorded schema for each version of each type.

`services/<name>/contracts/<type>.v<version>.json` is what the publisher of a type has promised. `python -m
tools.contracts` writes what the code says now, and refuses to take back a promise: that needs a new version, beside
which the old one stays, because events of it lie in queues and outboxes while services are deployed.
"""

import importlib
import json
import operator
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.command_line import run
from infra.service import catalogue
from infra.service.catalogue import ServiceSpec

if TYPE_CHECKING:
    from chassis.messages import EventData

ROOT = Path(__file__).parent.parent
SERVICES = ROOT / "services"
FOLDER = "contracts"
Schema = Mapping[str, Any]
_BOUNDS: Mapping[str, Callable[[int, int], bool]] = {
    **dict.fromkeys(("maximum", "maxItems", "maxLength"), operator.gt),
    **dict.fromkeys(("minimum", "minItems", "minLength"), operator.lt),
}


def published(spec: ServiceSpec) -> "tuple[type[EventData], ...]":
    """The data of the events that the code of a service publishes."""
    return tuple(importlib.import_module(f"{spec.module}.events").PUBLISHED) if spec.publishes else ()


def file_of(spec: ServiceSpec, data: "type[EventData]") -> Path:
    return SERVICES / spec.name / FOLDER / f"{data.type}.v{data.version}.json"


def schema_of(data: "type[EventData]") -> dict[str, Any]:
    return data.model_json_schema(mode="serialization")


def broken(before: Schema, after: Schema) -> list[str]:
    """What a reader of `before` can no longer rely on in `after`; adding is not breaking."""
    return list(_broken(before, after, before, after, "data"))


def _broken(before: Schema, after: Schema, old_root: Schema, new_root: Schema, at: str) -> Iterator[str]:
    before, after = _resolved(before, old_root), _resolved(after, new_root)
    if _kinds(after, new_root) - _kinds(before, old_root):
        was, now = (", ".join(sorted(kinds)) for kinds in (_kinds(before, old_root), _kinds(after, new_root)))
        yield f"{at} was {was} and would be {now}"
        return
    yield from _broken_values(before, after, at)
    old, new = before.get("properties", {}), after.get("properties", {})
    for name, schema in old.items():
        if name not in new:
            yield f"{at}.{name} would be gone"
        elif name in before.get("required", ()) and name not in after.get("required", ()):
            yield f"{at}.{name} would not always be there"
        else:
            yield from _broken(schema, new[name], old_root, new_root, f"{at}.{name}")
    if "items" in before:
        yield from _broken(before["items"], after.get("items", {}), old_root, new_root, f"{at}[]")
    for schema in before.get("anyOf", ()):
        twin = [other for other in after.get("anyOf", [after]) if _kinds(other, new_root) == _kinds(schema, old_root)]
        if twin:
            yield from _broken(schema, twin[0], old_root, new_root, at)


def _broken_values(before: Schema, after: Schema, at: str) -> Iterator[str]:
    gained = set(after.get("enum", ())) - set(before.get("enum", after.get("enum", ())))
    if gained or ("enum" in before and "enum" not in after and "const" not in after):
        yield f"{at} may have values that no reader expects: {', '.join(sorted(map(str, gained))) or 'any'}"
    if before.get("pattern") != after.get("pattern") and before.get("pattern"):
        yield f"{at} had the pattern {before['pattern']}"
    for bound, beyond in _BOUNDS.items():
        if bound in before and (bound not in after or beyond(after[bound], before[bound])):
            yield f"{at} had the {bound} {before[bound]}"


def _resolved(schema: Schema, root: Schema) -> Schema:
    reference = schema.get("$ref")
    return root["$defs"][reference.rsplit("/", 1)[-1]] if reference else schema


def _kinds(schema: Schema, root: Schema) -> set[str]:
    """The JSON types that a value may have."""
    schema = _resolved(schema, root)
    if "anyOf" in schema:
        return set().union(*(_kinds(each, root) for each in schema["anyOf"]))
    kind = schema.get("type", "anything")
    return {kind} if isinstance(kind, str) else set(kind)


def main() -> int:
    """Writes what is new. 1 when the code takes something back."""
    refused = 0
    for spec in catalogue.load(SERVICES):
        for data in published(spec):
            file, schema = file_of(spec, data), schema_of(data)
            problems = broken(json.loads(file.read_text()), schema) if file.exists() else []
            if problems:
                refused, shown = 1, file.relative_to(ROOT)
                print(f"{shown}: give {data.type} version {data.version + 1}; in this one, {'; '.join(problems)}.")
                continue
            file.parent.mkdir(exist_ok=True)
            file.write_text(json.dumps(schema, indent=2) + "\n")
    return refused


if __name__ == "__main__":
    run("contracts", main)
