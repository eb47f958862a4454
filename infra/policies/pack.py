"""The rules as policies of the Pulumi engine: what it hands over as plain data, and what it is told."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pulumi_policy import (
    Policy,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from infra.policies.model import UNKNOWN, Resource, Rule, Stack, Violation

Inputs = dict[str, Mapping[str, Any]]
"""URN of a resource -> its inputs as the engine showed them when it came by."""


def policies(rules: Iterable[Rule], public_routes: frozenset[str]) -> list[Policy]:
    """A policy for each rule. One about a single resource runs before the resource is made or changed; one about the
    whole stack after all of them, so of an update it can only say that it went wrong: it is for the preview.

    Of the whole stack the engine shows outputs, and in a preview those of a provider are unknown even where an input
    was simply left out: a queue without a dead-letter queue looks like one whose is not known yet. So the inputs are
    kept as resources come by.
    """
    inputs: Inputs = {}
    return [
        _of_stack(each, public_routes, inputs) if each.whole_stack else _of_resource(each, public_routes, inputs)
        for each in rules
    ]


def _of_resource(rule: Rule, public_routes: frozenset[str], inputs: Inputs) -> Policy:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        inputs[args.urn] = args.props
        if rule.looks_at(args.resource_type):
            stack = Stack(name=stack_of(args.urn), public_routes=public_routes)
            _report(list(rule.violations(_resource(args, args.props), stack)), report)

    return ResourceValidationPolicy(rule.name, rule.requires, validate, remediation_steps=rule.remedy)


def _of_stack(rule: Rule, public_routes: frozenset[str], inputs: Inputs) -> Policy:
    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        if not args.resources:
            return
        resources = tuple(_resource(each, inputs.get(each.urn, each.props)) for each in args.resources)
        stack = Stack(name=stack_of(resources[0].urn), public_routes=public_routes, resources=resources)
        for each in resources:
            _report(list(rule.violations(each, stack)), report)

    return StackValidationPolicy(rule.name, rule.requires, validate, remediation_steps=rule.remedy)


def _report(found: list[Violation], report: ReportViolation) -> None:
    """One message for a resource; the engine says above it which one, and the sentence of the rule."""
    if found:
        mistakes = "\n".join(f"- {each.what}" for each in found)
        report(f"{mistakes}\n{found[0].rule.remedy}", found[0].resource.urn)


def stack_of(urn: str) -> str:
    """`urn:pulumi:<stack>::<project>::<type>::<name>` -> the stack."""
    return urn.removeprefix("urn:pulumi:").partition("::")[0]


def _resource(args: ResourceValidationArgs | PolicyResource, props: Mapping[str, Any]) -> Resource:
    waits_for = args.dependencies if isinstance(args, PolicyResource) else ()
    return Resource(
        type=args.resource_type,
        name=args.name,
        props=plain(props),
        urn=args.urn,
        dependencies=frozenset(each.urn for each in waits_for),
        provider=args.provider.urn if args.provider else "",
    )


def plain(value: Any) -> Any:
    """The engine's view of properties as dicts and lists, with `UNKNOWN` where the view raises an exception: rules
    go on to the values that are known, and a preview is not full of notes about the others."""
    if isinstance(value, Mapping):
        return {key: _looked_up(value, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_looked_up(value, index) for index in range(len(value))]
    return value


def _looked_up(container: Any, key: Any) -> Any:
    try:
        return plain(container[key])
    except UnknownValueError:
        return UNKNOWN
