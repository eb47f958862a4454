"""Every rule on a planned program: the values that a preview cannot know are made up there, so all rules see all."""

from collections.abc import Iterable

from infra.policies.model import Resource, Violation
from infra.policies.rules import check
from plans.planned import Plan


def violations(plan: Plan, stack: str, public_routes: Iterable[str] = ()) -> list[Violation]:
    """What `infra.policies.rules.check` says of it; `str` of each is a sentence for a person."""
    resources = [
        Resource(
            type=each.type,
            name=each.name,
            props=each.inputs,
            urn=each.urn,
            dependencies=each.dependencies,
            provider=each.provider,
        )
        for each in plan.resources
    ]
    return check(resources, stack, public_routes)
