"""What the story of the stack should come to, by the program on mocks."""

from plans.planned import plan
from plans.programs import program
from tests.integration.harness.stack.stack import NAME, Stack


def planned(stack: Stack) -> set[tuple[str, str]]:
    """Type and name of everything of the program, but what the engine needs itself: the stack and the providers."""
    made = plan(program(NAME, stack.settings()), NAME)
    return {(kind, name) for kind, name in made.registered() if not kind.startswith("pulumi:")}
