"""Every rule that a reviewer would hold up a change for, and the one way to ask them all.

The pack (`pulumi preview --policy-pack infra/policies`) and the tests of the program read the same registry.
"""

from collections.abc import Iterable

from infra.policies import encryption, network, permissions, protection, transport, workloads
from infra.policies.model import Resource, Rule, Stack, Violation

RULES: tuple[Rule, ...] = tuple(
    each
    for module in (encryption, network, permissions, protection, transport, workloads)
    for each in vars(module).values()
    if isinstance(each, Rule)
)


def check(resources: Iterable[Resource], stack: str, public_routes: Iterable[str] = ()) -> list[Violation]:
    """Every violation of every rule, in the order of resources and rules.

    Args:
        resources: every resource of the stack; providers are resources as well.
        stack: its name; `prod` has rules of its own.
        public_routes: keys (`GET /products`) of the routes that the catalogue calls public.
    """
    every = tuple(resources)
    around = Stack(name=stack, public_routes=frozenset(public_routes), resources=every)
    return [found for resource in every for rule in RULES for found in rule.violations(resource, around)]
