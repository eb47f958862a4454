"""What the engine is told: each rule about what it looks at, with the stack and what was seen before."""

from collections.abc import Iterator
from typing import Any

from pulumi_policy import (
    Policy,
    PolicyProviderResource,
    PolicyResource,
    ResourceValidationArgs,
    StackValidationArgs,
)

from infra.policies.model import Resource, Rule, Stack
from infra.policies.pack import policies

QUEUE, TOPIC = "aws:sqs/queue:Queue", "aws:sns/topic:Topic"
OPTIONS: Any = None
"""The rules look at none."""
PROVIDER = PolicyProviderResource("pulumi:providers:aws", {}, "urn:provider", "aws")


def urn(kind: str, name: str) -> str:
    return f"urn:pulumi:prod::shop::{kind}::{name}"


def passed_by(kind: str, name: str, props: dict[str, Any], provider: Any = None) -> ResourceValidationArgs:
    return ResourceValidationArgs(kind, props, urn(kind, name), name, OPTIONS, provider)


def there(kind: str, name: str, props: dict[str, Any], *waits_for: PolicyResource) -> PolicyResource:
    return PolicyResource(kind, props, urn(kind, name), name, OPTIONS, PROVIDER, None, list(waits_for), {})


def rule(find: Any, whole_stack: bool = False) -> Rule:
    return Rule(name="it", requires="It is so.", remedy="Do so.", types=(QUEUE,), find=find, whole_stack=whole_stack)


def reported(policy: Policy, args: Any) -> list[tuple[str, str | None]]:
    said: list[tuple[str, str | None]] = []
    made: Any = policy
    assert isinstance(made.description, str)
    made.validate(args, lambda message, about=None: said.append((message, about)))
    return said


def test_a_rule_about_one_resource_sees_it_with_its_stack_and_every_mistake_is_said_with_the_remedy() -> None:
    seen: list[tuple[Resource, Stack]] = []

    def find(resource: Resource, stack: Stack) -> Iterator[str]:
        seen.append((resource, stack))
        yield from ("it is open", "it is old")

    (policy,) = policies([rule(find)], frozenset({"GET /"}))

    said = reported(policy, passed_by(QUEUE, "orders", {"fifo": True}, PROVIDER))

    assert said == [("- it is open\n- it is old\nDo so.", urn(QUEUE, "orders"))]
    ((resource, stack),) = seen
    assert resource == Resource(
        type=QUEUE,
        name="orders",
        props={"fifo": True},
        urn=urn(QUEUE, "orders"),
        dependencies=frozenset(),
        provider="urn:provider",
    )
    assert (stack.name, stack.public_routes, stack.resources) == ("prod", frozenset({"GET /"}), ())
    assert (policy.name, policy.description) == ("it", "It is so.")
    reported(policy, passed_by(QUEUE, "orders", {}))
    assert seen[-1][0].provider == ""  # that of the package


def test_what_a_rule_does_not_look_at_or_finds_right_is_passed_over() -> None:
    (policy,) = policies([rule(lambda *_: iter(["wrong"]))], frozenset())
    (content,) = policies([rule(lambda *_: iter([]))], frozenset())

    assert reported(policy, passed_by(TOPIC, "orders", {})) == []
    assert reported(content, passed_by(QUEUE, "orders", {})) == []


def test_a_rule_about_the_whole_stack_sees_inputs_as_they_came_by_and_what_waits_for_what() -> None:
    """In a preview the outputs of a new resource are not known, also where an input was left out."""
    seen: list[tuple[Resource, Stack]] = []

    def find(resource: Resource, stack: Stack) -> Iterator[str]:
        seen.append((resource, stack))
        yield "it is alone"

    of_one, of_all = policies([rule(lambda *_: iter([])), rule(find, whole_stack=True)], frozenset({"GET /"}))
    reported(of_one, passed_by(QUEUE, "orders", {"as": "input"}))
    queue = there(QUEUE, "orders", {"as": "output"})
    other = there(QUEUE, "never-seen", {"as": "output"}, queue)

    said = reported(of_all, StackValidationArgs([queue, other, there(TOPIC, "orders", {})]))

    assert said == [("- it is alone\nDo so.", urn(QUEUE, name)) for name in ("orders", "never-seen")]
    assert [resource.props for resource, _ in seen] == [{"as": "input"}, {"as": "output"}]
    assert [resource.dependencies for resource, _ in seen] == [frozenset(), {urn(QUEUE, "orders")}]
    stack = seen[0][1]
    assert (stack.name, stack.public_routes, len(stack.resources)) == ("prod", frozenset({"GET /"}), 3)
    assert (of_all.name, of_all.description) == ("it", "It is so.")


def test_an_empty_stack_breaks_no_rule() -> None:
    (policy,) = policies([rule(lambda *_: iter(["wrong"]), whole_stack=True)], frozenset())

    assert reported(policy, StackValidationArgs([])) == []
