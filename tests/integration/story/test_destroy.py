"""The end of an environment, and what can be said of its whole life."""

import os

import pytest

from tests.aws.calls import Recorded, recorded, write
from tests.integration.harness.aws import calls
from tests.integration.harness.machine.paths import ROOT
from tests.integration.harness.stack.environment import Environment, declare_another, withdraw_another
from tests.integration.harness.stack.planned import planned
from tests.integration.story.observations import assert_as_before

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]


def test_destroy_leaves_nothing_in_the_account_nor_in_the_cluster(environment: Environment) -> None:
    run = environment.stack.destroy()

    assert set(run.operations()) == {"delete"}
    assert environment.stack.resources() == []
    assert_as_before(environment, "nothing")


def test_a_preview_of_it_all_passes_the_policy_pack(environment: Environment) -> None:
    """From nothing, when most values are not known yet: as a pull request sees a new environment."""
    run = environment.stack.preview("--policy-pack", str(ROOT / "infra/policies"))

    assert run.touched("create") == planned(environment.stack)


def test_every_call_of_the_provider_is_one_that_the_roles_are_held_against(environment: Environment) -> None:
    """SHOP_RECORD=1 writes the list anew, of all parts: what roles may do follows from it (tests/aws/test_calls.py)."""
    made, services = calls.made(environment.aws.folder), environment.stack.services
    declare_another(services)
    types = frozenset(kind for kind, _ in planned(environment.stack) if kind.startswith("aws:"))
    withdraw_another(services)
    if os.environ.get("SHOP_RECORD"):
        write(Recorded(types=types, calls=made))

    assert calls.beyond(recorded().calls, made) == {}
    assert types <= recorded().types
