"""What the story of the stack should come to, by the program on mocks."""

from plans.planned import plan
from plans.programs import program
from tests.integration.harness.stack.stack import NAME, Stack

_known: dict[tuple[str, ...], frozenset[tuple[str, str]]] = {}
"""By the declarations of all services: what is made, and its name, follows from nothing else that a story changes."""


def planned(stack: Stack) -> frozenset[tuple[str, str]]:
    """Type and name of everything of the program, but what the engine needs itself: the stack and the providers."""
    declared = tuple(file.read_text() for file in sorted(stack.services.glob("*/service.yaml")))
    if declared not in _known:
        made = plan(program(NAME, stack.settings()), NAME).registered()
        _known[declared] = frozenset((kind, name) for kind, name in made if not kind.startswith("pulumi:"))
    return _known[declared]
