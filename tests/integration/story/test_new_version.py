"""A new image of one service, while customers order."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.invariants import assert_nothing_was_lost, offer_products
from tests.e2e.load import shopping
from tests.integration.harness.stack.environment import Environment
from tests.integration.story.observations import CUSTOMERS

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]


def test_a_new_image_of_one_service_touches_that_service_alone_and_loses_no_request(environment: Environment) -> None:
    environment.stack.digests["orders"] = environment.second_orders

    with demanding_customers(environment):
        run = environment.stack.up()

    assert run.touched("update") == {("kubernetes:apps/v1:Deployment", "orders")}
    assert run.touched("replace") == {("kubernetes:batch/v1:Job", "orders-migration")}
    assert run.names() == {"orders", "orders-migration"}


@contextmanager
def demanding_customers(environment: Environment) -> Iterator[None]:
    """Where pods run: customers whose every request has to be answered, and after whom nothing may be missing."""
    if environment.pods is None:
        yield
        return
    shop = environment.shop()
    stock = offer_products(shop)
    with shopping(shop, list(stock), CUSTOMERS, patient=False) as crowd:
        crowd.go_on()
        yield
        crowd.go_on()
    assert_nothing_was_lost(shop, environment, crowd.customers, stock)
