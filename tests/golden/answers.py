"""What a cloud would answer, by name: `${sqs:Queue orders-queue.arn}` says of which resource it is which output."""

import hashlib
from collections.abc import Mapping
from typing import Any

from plans import made_up

ARN_COLONS = 5
"""arn:<partition>:<service>:<region>:<account>:<resource>."""
DYNAMIC = "pulumi-python:dynamic/local:"
NAMED_BY_US = ("kubernetes:", "pulumi:")
"""What knows all its outputs before it is there."""
OF_THE_LAPTOP: Mapping[str, tuple[str, ...]] = {
    "AppClient": ("client_id",),
    "Database": ("password",),
    "Port": ("number",),
    "Queue": ("arn", "url"),
    "Subscription": ("arn",),
    "Topic": ("arn",),
    "UserPool": ("pool_id",),
}
"""Dynamic resources and their outputs; the others have none."""


def short(kind: str) -> str:
    """`aws:ec2/subnet:Subnet` as `ec2:Subnet`, `kubernetes:apps/v1:Deployment` as `Deployment`."""
    package, _, rest = kind.removeprefix(DYNAMIC).partition(":")
    name = rest.rpartition(":")[2]
    match package:
        case "aws":
            return f"{rest.partition('/')[0]}:{name}"
        case "kubernetes":
            return name
    return kind.removeprefix(DYNAMIC)


def answer(kind: str, name: str, inputs: dict[str, Any]) -> Mapping[str, Any]:
    """For plans.planned.plan."""
    if kind.startswith(DYNAMIC):
        return {key: _named(kind, name, key) for key in OF_THE_LAPTOP.get(kind.removeprefix(DYNAMIC), ())}
    given = dict(made_up.answer(kind, name, inputs))
    if kind.startswith(NAMED_BY_US):
        return given
    if kind == "docker-build:index:Image":
        digest = _digest(name)
        return {"digest": digest, "ref": f"{(inputs.get('tags') or [name])[0]}@{digest}"}
    by_name = {
        key: value if inputs.get(key) == value else _all_named(value, kind, name, key) for key, value in given.items()
    }
    return {"id": _named(kind, name, "id"), **by_name}


def call(token: str, arguments: dict[str, Any]) -> Mapping[str, Any]:
    """For plans.planned.plan."""
    found = dict(made_up.call(token, arguments))
    if "sha256Digest" in found:
        found["sha256Digest"] = _digest(arguments["name"])
    return found


def _digest(image: str) -> str:
    """One of its own for each image; the program takes nothing else for a digest."""
    return f"sha256:{hashlib.sha256(image.encode()).hexdigest()}"


def _named(kind: str, name: str, output: str) -> str:
    return f"${{{short(kind)} {name}.{output}}}"


def _all_named(value: Any, kind: str, name: str, path: str) -> Any:
    match value:
        case str() if value.startswith("arn:"):  # the program takes them apart
            return ":".join([*value.split(":")[:ARN_COLONS], _named(kind, name, path)])
        case str():
            return _named(kind, name, path)
        case Mapping():
            return {key: _all_named(inner, kind, name, f"{path}.{key}") for key, inner in value.items()}
        case list():
            return [_all_named(inner, kind, name, f"{path}.{index}") for index, inner in enumerate(value)]
    return value
