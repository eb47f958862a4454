"""Every rule: what passes, what violates and what is another type; and what is not known yet is no mistake."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

from infra.policies.model import UNKNOWN, Resource, Stack
from infra.policies.rules import RULES, check
from tests.policies import (
    cases_encryption,
    cases_network,
    cases_permissions,
    cases_principals,
    cases_protection,
    cases_transport,
    cases_workloads,
)
from tests.policies.cases import Case, resource

MODULES = (
    cases_encryption,
    cases_network,
    cases_permissions,
    cases_principals,
    cases_protection,
    cases_transport,
    cases_workloads,
)
CASES: list[Case] = [case for module in MODULES for case in module.CASES]
BY_NAME = {rule.name: rule for rule in RULES}


def found(case: Case) -> list[str]:
    """What the rule of the case says, asked alone."""
    stack = Stack(name=case.stack, public_routes=case.public_routes, resources=case.resources)
    return [each.what for item in case.resources for each in BY_NAME[case.rule].violations(item, stack)]


def test_each_rule_finds_these_mistakes_and_no_others() -> None:
    wrong = {f"{case.rule}: {case}": found(case) for case in CASES if found(case) != list(case.finds)}

    assert wrong == {}


def test_every_rule_is_tried_on_what_passes_what_violates_and_what_is_another_type() -> None:
    tried = {(case.rule, case.kind) for case in CASES}

    assert tried == set(product(BY_NAME, ("passes", "violates", "is another type")))
    assert [str(case) for case in CASES if bool(case.finds) != (case.kind == "violates")] == []
    assert [str(case) for case in CASES if case.kind == "is another type" and _is_looked_at(case)] == []


def test_the_names_of_rules_differ_and_each_says_what_is_required_and_what_to_do() -> None:
    assert len(BY_NAME) == len(RULES)
    assert not [rule.name for rule in RULES if not (rule.requires.endswith(".") and rule.remedy.endswith("."))]


def test_every_rule_looks_at_some_type_that_it_is_tried_on() -> None:
    tried = {rule.name: {r.type for c in CASES if c.rule == rule.name for r in c.resources} for rule in RULES}

    assert not [rule.name for rule in RULES if not any(rule.looks_at(kind) for kind in tried[rule.name])]


def test_a_value_that_is_not_known_yet_adds_no_mistake() -> None:
    """And so a case that passes goes on passing."""
    wrong = [
        (case.rule, str(case), found(variant))
        for case in CASES
        for variant in _with_unknowns(case)
        if len(found(variant)) > len(case.finds)
    ]

    assert wrong == []


def test_whole_numbers_may_be_floats() -> None:
    for case in CASES:
        resources = tuple(replace(each, props=_floats(each.props)) for each in case.resources)

        assert [each.replace(".0", "") for each in found(replace(case, resources=resources))] == [
            each.replace(".0", "") for each in case.finds
        ], f"{case.rule}: {case}"


def test_all_rules_together_say_who_violates_what_and_what_to_do() -> None:
    queue = resource("aws:sqs/queue:Queue", {"sqsManagedSseEnabled": False}, "orders")
    component = Resource(type="shop:aws:Queue", name="orders", props={})

    violations = check([component, queue], "dev")

    assert {each.rule.name for each in violations} == {
        "queue-encrypted",
        "dead-letter-queue",
        "queue-and-topic-have-policies",
    }
    assert str(violations[0]) == (
        "queue-encrypted: aws:sqs/queue:Queue orders: neither sqsManagedSseEnabled nor kmsMasterKeyId is set."
        " A queue encrypts the messages that it holds."
        " Set sqs_managed_sse_enabled=True (SNS can deliver to it), or kms_master_key_id."
    )


def test_the_stack_and_the_public_routes_reach_the_rules() -> None:
    pool = resource("aws:cognito/userPool:UserPool", {})
    route = resource("aws:apigatewayv2/route:Route", {"routeKey": "GET /products"})

    assert {each.rule.name for each in check([pool, route], "prod")} == {"people-protected", "route-authorized"}
    assert check([pool, route], "dev", ["GET /products"]) == []


def _is_looked_at(case: Case) -> bool:
    return any(BY_NAME[case.rule].looks_at(each.type) for each in case.resources)


def _with_unknowns(case: Case) -> Iterator[Case]:
    """The case once for each value of its resources, at every depth, with that value not known."""
    for index, each in enumerate(case.resources):
        for props in _holes(each.props):
            resources = list(case.resources)
            resources[index] = replace(each, props=props)
            yield replace(case, resources=tuple(resources))


def _holes(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield {**value, key: UNKNOWN}
            for hole in _holes(inner):
                yield {**value, key: hole}
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            for hole in (UNKNOWN, *_holes(inner)):
                yield [*value[:index], hole, *value[index + 1 :]]


def _floats(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _floats(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_floats(inner) for inner in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
