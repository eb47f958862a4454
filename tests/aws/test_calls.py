"""The roles of infra/environment.yaml suffice for the program, and are no wider: each call that was seen, or is known
from the provider's source, is allowed, and whatever is allowed was seen or is known (tests/aws/calls)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.aws import planning
from tests.aws.calls import needed, recorded
from tests.aws.calls.needed import Need, by_hand, reference
from tests.aws.cloudformation import ACCOUNT, REGION, allowed
from tests.aws.roles import POLICIES, ZONE, managed, statements_of

TESTED_IMAGES = {"ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"}
"""What dev has built is what staging and prod run."""
NEEDS = {"DeployRole": needed.of_deploying, "PreviewRole": needed.of_previewing}


@pytest.mark.parametrize(
    ("role", "environment"), [("DeployRole", "dev"), ("DeployRole", "prod"), ("PreviewRole", "dev")]
)
def test_each_call_is_allowed(role: str, environment: str) -> None:
    statements = managed(environment, role)

    refused = [need for need in NEEDS[role](environment) if not _is_allowed(statements, need)]

    assert refused == []


@pytest.mark.parametrize("role", NEEDS)
def test_nothing_is_allowed_that_no_call_takes(role: str) -> None:
    """An action that is in the way here is taken out of the template, or into by_hand.yaml with who needs it."""
    granted = {
        action for statement in managed("dev", role) if statement["Effect"] == "Allow" for action in _actions(statement)
    }

    assert granted == {need.action for need in NEEDS[role]("dev")}


@pytest.mark.parametrize("role", NEEDS)
def test_no_call_is_allowed_in_another_region(role: str) -> None:
    """But on dashboards, which are of no region."""
    statements = managed("dev", role)
    elsewhere = {"aws:RequestedRegion": "us-east-1"}
    needs = [
        need for need in NEEDS[role]("dev") if REGION in need.context.values() and "dashboard/" not in need.resource
    ]

    assert [
        need
        for need in needs
        if allowed(statements, need.action, need.resource.replace(REGION, "us-east-1"), need.context | elsewhere)
    ] == []


@pytest.mark.parametrize("role", NEEDS)
def test_no_call_is_allowed_on_what_has_the_name_of_another(role: str) -> None:
    """Untagged, so that the name alone is judged."""
    statements = managed("dev", role)
    named = {
        (need.action, other, need.context["aws:RequestedRegion"])
        for need in NEEDS[role]("dev")
        if "aws:RequestedRegion" in need.context and (other := _of_another(need.resource))
    }

    assert len(named) > 10
    assert {
        (action, resource)
        for action, resource, region in named
        if action not in TESTED_IMAGES and allowed(statements, action, resource, {"aws:RequestedRegion": region})
    } == set()


def test_roles_are_handed_to_the_services_that_run_them_and_to_no_other() -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/shop-dev-orders-identity-0a1b2c3"
    for service in ("apigateway", "lambda", "monitoring.rds", "rds"):
        to = {"iam:PassedToService": f"{service}.amazonaws.com"}
        assert not allowed(managed("dev", "DeployRole"), "iam:PassRole", role, to)


def test_every_type_of_resource_is_in_the_story_or_known_by_hand(tmp_path: Path) -> None:
    """A new one: run `make integration`, or say in by_hand.yaml what the provider calls for it."""
    known = recorded().types | by_hand()["types"].keys()
    plans = [planning.environment("dev"), planning.with_a_domain(tmp_path)]

    used = {each.type for plan in plans for each in plan.resources if each.type.startswith("aws:")}

    assert used - known == set()
    assert by_hand()["types"].keys() - used == set(), "no longer used"


def test_what_changes_is_a_resource_of_the_program() -> None:
    assert by_hand()["changes"].keys() <= recorded().types


def test_a_role_that_a_call_hands_over_has_somebody_to_go_to_and_tags_an_action() -> None:
    calls, hand = recorded().calls, by_hand()

    assert {action for action, call in calls.items() if call.passes_role} <= hand["passed_to"].keys()
    assert {action.partition(":")[0] for action, call in calls.items() if call.tags} <= hand["tagged_by"].keys()
    assert {*hand["implied"], *hand["borne"]} - calls.keys() <= {"dynamodb:UpdateTable", "rds:ModifyDBInstance"}


@pytest.mark.parametrize("policy", POLICIES)
def test_every_action_and_condition_is_one_that_iam_knows(policy: str) -> None:
    """An action that does not exist, or a condition on a key that the service never sends, grants nothing."""
    for statement in statements_of("staging", policy):
        for action in [*_actions(statement), *_actions(statement, "NotAction")]:
            if "*" in action:
                assert statement["Effect"] == "Deny", action
                continue
            service, name = action.split(":")
            assert reference().actions.action_exists(service, name), action
            if statement["Effect"] == "Allow":
                assert set(_keys(statement)) <= _sent_with(service, name), action


@pytest.mark.parametrize("policy", POLICIES)
def test_an_action_that_is_limited_to_nothing_is_allowed_on_everything(policy: str) -> None:
    """`iam:ListInstanceProfiles` on a profile, say, allows nothing at all."""
    for statement in statements_of("staging", policy):
        if statement["Effect"] == "Allow" and statement["Resource"] != "*":
            for action in _actions(statement):
                service, name = action.split(":")
                assert reference().actions.get_action_details(service, name)["resourceTypes"], action


def _of_another(resource: str) -> str | None:
    """The same kind of thing with another's name; None where it has no name of ours."""
    others = {
        "profile/eks": "profile/theirs",  # EKS's name of a cluster in it is not looked at: docs/adr/0027
        "shop-dev": "shop-staging",
        "rds!": "theirs-",
        ZONE: "Z999",
        "/apis": "/restapis",
    }
    for own, other in others.items():
        if own in resource and ":change/" not in resource:  # a change to a zone has a number of its own
            return resource.replace(own, other)
    return None


def _is_allowed(statements: list[dict[str, Any]], need: Need) -> bool:
    return allowed(statements, need.action, need.resource, need.context)


def _actions(statement: dict[str, Any], key: str = "Action") -> list[str]:
    value = statement.get(key, [])
    return value if isinstance(value, list) else [value]


def _keys(statement: dict[str, Any]) -> Iterator[str]:
    return (key.partition("/")[0] for conditions in statement.get("Condition", {}).values() for key in conditions)


def _sent_with(service: str, name: str) -> set[str]:
    """Condition keys, of tags without the name of the tag."""
    details = reference().actions.get_action_details(service, name)
    kinds = [kind["name"] for kind in details["resourceTypes"]]
    keys = [*details["conditionKeys"], *(key for kind in details["resourceTypes"] for key in kind["conditionKeys"])]
    keys += [
        key
        for kind in kinds
        for key in reference().resources.get_resource_type_details(service, kind).get("conditionKeys", ())
    ]
    return {key.partition("/")[0] for key in keys} | {"aws:RequestedRegion"}  # every request is sent to a region
