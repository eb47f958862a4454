"""A service is away: what the others go on doing without it, and what they catch up with. Local systems only."""

import httpx
import pytest

from tests.e2e.shop import NEWS_SECONDS, PRICE, TEA, Person, Shop, waited_for
from tests.e2e.system import System

BREAKER_SECONDS = 30
"""A circuit breaker asks again after 10."""
SKU = str(TEA["sku"])


@pytest.fixture(scope="module")
def local(shared_system: System) -> Shop:
    return Shop(shared_system.outputs()).opened()


@pytest.fixture
def person(local: Shop) -> Person:
    return local.newcomer()


@pytest.fixture
def pricing(shared_system: System) -> None:
    if "pricing" in shared_system.outputs()["missing"]:
        pytest.skip("pricing does not run here: there is no Go")


@pytest.mark.usefixtures("pricing")
def test_without_pricing_list_prices_hold_and_promotions_return_with_it(
    shared_system: System, local: Shop, person: Person
) -> None:
    def source() -> str:
        return str(local.storefront(SKU)["price"]["source"])

    with shared_system.without("pricing"):
        assert local.storefront(SKU)["price"] == {"amount": PRICE, "promotion": None, "source": "LIST"}
        order = person.placed()
        assert (order["priced_by"], order["total"]["amount"]) == ("list", 2 * PRICE)
        assert person.ended(order["id"])["status"] == "confirmed"

    waited_for(source, lambda seen: seen == "PRICING", BREAKER_SECONDS, "the storefront asks pricing again")
    # An answer of the storefront says nothing of orders, which has a circuit breaker of its own.
    waited_for(
        lambda: person.placed()["priced_by"], lambda seen: seen == "promotions", BREAKER_SECONDS, "orders asks again"
    )


def test_without_inventory_the_shop_stays_open_and_orders_wait(
    shared_system: System, local: Shop, person: Person
) -> None:
    def source() -> str:
        return str(local.storefront(SKU)["stock"]["source"])

    with shared_system.without("inventory"):
        assert local.storefront(SKU)["stock"] == {"available": None, "source": "UNAVAILABLE"}
        assert httpx.get(f"{local.url}/products/{SKU}", timeout=30).status_code == 200
        assert person.request("GET", f"/stock/{SKU}").status_code in (502, 503, 504)
        order = person.placed()
        waited_for(lambda: person.told_of(order["id"]), bool, NEWS_SECONDS, "the order's news is out")
        assert person.read(order["id"])["status"] == "placed"

    assert person.ended(order["id"])["status"] == "confirmed"
    waited_for(source, lambda seen: seen == "INVENTORY", BREAKER_SECONDS, "the storefront asks inventory again")


def test_without_payments_orders_wait_with_their_stock(shared_system: System, local: Shop, person: Person) -> None:
    sku = local.new_product(on_hand=3)

    with shared_system.without("payments"):
        order = person.placed({"sku": sku, "quantity": 2})
        waited_for(
            lambda: person.read(order["id"])["status"], lambda seen: seen == "reserved", NEWS_SECONDS, "it is reserved"
        )
        assert local.stock(sku) == (3, 2)

    assert person.ended(order["id"])["status"] == "confirmed"
    assert local.stock(sku) == (1, 0)


def test_without_notifications_nothing_waits_and_the_log_catches_up(shared_system: System, person: Person) -> None:
    with shared_system.without("notifications"):
        order = person.placed()
        assert person.ended(order["id"])["status"] == "confirmed"

    # The gateway answers for a service that is still starting.
    told = waited_for(
        lambda: person.told_of(order["id"]) if person.answers("/notifications") else [],
        lambda seen: len(seen) >= 2,
        NEWS_SECONDS,
        "the log has caught up",
    )
    assert told == ["order.confirmed", "order.placed"]
