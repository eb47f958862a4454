"""A service joins the others, and leaves them."""

import httpx
import pytest

from tests.integration.harness.stack.environment import ANOTHER, Environment, Pods, declare_another, withdraw_another
from tests.integration.harness.stack.planned import planned
from tests.integration.story.observations import assert_as_before

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]

KNOWS_EVERY_ROUTE = {
    ("aws:apigatewayv2/stage:Stage", "stage"),  # throttles are settings of the stage, one for each route
    ("aws:cognito/userPoolClient:UserPoolClient", "people-app"),  # the scopes that it may ask for
}


def test_another_service_adds_its_slice_and_changes_nothing_of_the_others(environment: Environment) -> None:
    stack = environment.stack
    before = planned(stack)
    environment.remember("the whole shop")
    declare_another(stack.services)

    run = stack.up()

    assert run.touched("create") == planned(stack) - before
    assert all(ANOTHER in name for _, name in run.touched("create"))
    assert run.touched("update") == KNOWS_EVERY_ROUTE
    assert set(run.operations()) == {"create", "update"}


def test_people_reach_the_other_service_with_a_token_that_says_so(environment: Environment, pods: Pods) -> None:
    person = environment.shop().newcomer()  # the outputs of now: its scopes are among them

    answer = person.request("GET", f"/{ANOTHER}/Ada")

    assert (answer.status_code, httpx.get(str(answer.url)).status_code) == (200, 401), answer.text


def test_a_removed_service_takes_its_slice_along_and_leaves_nothing(environment: Environment) -> None:
    stack = environment.stack
    before = planned(stack)
    withdraw_another(stack.services)

    run = stack.up()

    assert run.touched("delete") == before - planned(stack)
    assert run.touched("update") == KNOWS_EVERY_ROUTE
    assert set(run.operations()) == {"delete", "update"}
    assert_as_before(environment, "the whole shop")
