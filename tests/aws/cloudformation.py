"""CloudFormation templates and IAM policies, as far as ours go: what a template comes to, what a policy allows."""

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ACCOUNT, REGION = "123456789012", "eu-central-1"
ABSENT = object()
"""What AWS::NoValue comes to: it leaves lists and mappings."""
PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::NoValue": ABSENT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
}


class _Loader(yaml.SafeLoader):
    """Reads `!Sub ...` as {"Fn::Sub": ...}, as CloudFormation does."""


def _function(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> dict[str, Any]:
    name = tag if tag == "Ref" else f"Fn::{tag}"
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.ScalarNode)
    value = loader.construct_scalar(node)
    return {name: value.split(".") if tag == "GetAtt" else value}


_Loader.add_multi_constructor("!", _function)


@cache
def _read(file: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.load(file.read_text(), _Loader)  # noqa: S506 (a SafeLoader)
    return document


class Template:
    """A template with values for its parameters."""

    def __init__(self, file: Path, values: Mapping[str, str], imports: Mapping[str, str] | None = None) -> None:
        self.document = _read(file)
        self._imports = imports or {}
        parameters = self.document["Parameters"]
        given = {name: values.get(name, parameter.get("Default")) for name, parameter in parameters.items()}
        assert values.keys() <= parameters.keys()
        assert None not in given.values(), given
        lists = {name for name, parameter in parameters.items() if parameter["Type"] == "CommaDelimitedList"}
        self.values = {name: value.split(",") if name in lists else value for name, value in given.items()}

    def refused(self) -> list[str]:
        """What AWS would say of the values, before it touches anything."""
        said = [
            name
            for name, parameter in self.document["Parameters"].items()
            for value in _listed(self.values[name])
            if value not in parameter.get("AllowedValues", [value])
            or not re.search(parameter.get("AllowedPattern", ""), str(value))
        ]
        for rule in self.document.get("Rules", {}).values():
            if self.resolve(rule["RuleCondition"]):
                said += [each["AssertDescription"] for each in rule["Assertions"] if not self.resolve(each["Assert"])]
        return said

    @property
    def resources(self) -> dict[str, dict[str, Any]]:
        """Logical name -> resource with its functions resolved; only those whose condition holds."""
        return {
            name: self.resolve(resource)
            for name, resource in self.document["Resources"].items()
            if "Condition" not in resource or self._condition(resource["Condition"])
        }

    @property
    def outputs(self) -> dict[str, dict[str, Any]]:
        """Those whose condition holds, resolved."""
        return {
            name: self.resolve(output)
            for name, output in self.document["Outputs"].items()
            if "Condition" not in output or self._condition(output["Condition"])
        }

    def properties(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.resources[name]["Properties"]
        return found

    def resolve(self, node: Any) -> Any:
        if isinstance(node, list):
            return [value for value in map(self.resolve, node) if value is not ABSENT]
        if not isinstance(node, dict):
            return node
        [(first, argument), *_] = node.items()
        if first == "Ref" or first.startswith("Fn::"):
            return self._call(first.removeprefix("Fn::"), argument)
        resolved = {key: self.resolve(value) for key, value in node.items()}
        return {key: value for key, value in resolved.items() if value is not ABSENT}

    def _condition(self, name: str) -> bool:
        return bool(self.resolve(self.document["Conditions"][name]))

    def _call(self, function: str, argument: Any) -> Any:
        match function:
            case "Ref":
                known = PSEUDO | self.values
                return known[argument] if argument in known else self._arn(argument)
            case "GetAtt":
                return self._arn(argument[0])
            case "ImportValue":
                return self._imports[argument]
            case "If":
                return self.resolve(argument[1 if self._condition(argument[0]) else 2])
            case "Sub":
                text, names = argument if isinstance(argument, list) else (argument, {})
                return re.sub(r"\$\{([^}]+)\}", lambda found: self._named(found[1], names), text)
        return _pure(function, *self.resolve(argument))

    def _named(self, name: str, names: Mapping[str, Any]) -> str:
        return str(self.resolve(names[name]) if name in names else self._call("Ref", name.removesuffix(".Arn")))

    def _arn(self, name: str) -> str:
        kind = self.document["Resources"][name]["Type"]
        properties = self.document["Resources"][name].get("Properties", {})
        match kind:
            case "AWS::KMS::Key":
                environment = self.values.get("Environment", "state")
                return f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{environment}"
            case "AWS::S3::Bucket":
                return f"arn:aws:s3:::{self.resolve(properties['BucketName'])}"
            case "AWS::IAM::ManagedPolicy":
                return f"arn:aws:iam::{ACCOUNT}:policy/{self.resolve(properties['ManagedPolicyName'])}"
        return f"arn:aws:iam::{ACCOUNT}:{name}"


def _pure(function: str, first: Any, *rest: Any) -> Any:
    match function:
        case "Equals":
            return first == rest[0]
        case "Not":
            return not first
        case "And":
            return first and all(rest)
        case "Join":
            return first.join(rest[0])
    raise LookupError(function)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _any(patterns: Any, value: str) -> bool:
    return any(fnmatchcase(value.lower(), str(pattern).lower()) for pattern in _listed(patterns))


def _holds(operator: str, key: str, wanted: Any, context: Mapping[str, str]) -> bool:
    value = context.get(key)
    match operator:
        case "Null":
            return bool((value is None) == (wanted == "true"))
        case "StringEquals" | "ForAnyValue:StringEquals":
            return value in _listed(wanted)
        case "StringLike":
            return value is not None and _any(wanted, value)
        case "StringNotEquals":
            return value not in _listed(wanted)
        case "ArnNotEquals":
            return value is None or not _any(wanted, value)
    raise LookupError(operator)


def applies(statement: Mapping[str, Any], action: str, resource: str, context: Mapping[str, str]) -> bool:
    """Whether a statement is about this call at all."""
    of_action = _any(statement["Action"], action) if "Action" in statement else not _any(statement["NotAction"], action)
    if "Resource" in statement:
        of_resource = _any(statement["Resource"], resource)
    else:
        of_resource = not _any(statement["NotResource"], resource) if "NotResource" in statement else True
    return (
        of_action
        and of_resource
        and all(
            _holds(operator, key, wanted, context)
            for operator, conditions in statement.get("Condition", {}).items()
            for key, wanted in conditions.items()
        )
    )


def allowed(
    statements: Iterable[Mapping[str, Any]], action: str, resource: str = "*", context: Mapping[str, str] | None = None
) -> bool:
    """IAM's rule: something allows it and nothing denies it."""
    effects = {each["Effect"] for each in statements if applies(each, action, resource, context or {})}
    return effects == {"Allow"}
