"""What has to be true whatever went wrong: no order is lost, doubled or stuck, and stock and money are conserved."""

from collections import Counter
from collections.abc import Mapping, Sequence

from tests.e2e.ledgers import Booked, Databases, money_kept, orders_of
from tests.e2e.load import Customer
from tests.e2e.shop import Person, Shop, waited_for

SETTLED_SECONDS = 420
"""An order that waits in vain is cancelled after 5 minutes, and its compensation takes its time."""
TOLD_SECONDS = 120
ENOUGH, SCARCE = 100_000, 25
"""Pieces of what never runs out, and of what does."""

Stock = Mapping[str, int]
"""SKU -> how many pieces were there at first."""


def offer_products(shop: Shop) -> dict[str, int]:
    """New ones that nobody else orders: some that never run out, and one that does. SKU -> pieces."""
    return {shop.new_product(on_hand=on_hand): on_hand for on_hand in (ENOUGH, ENOUGH, ENOUGH, SCARCE)}


def assert_nothing_was_lost(
    shop: Shop, databases: Databases, customers: Sequence[Customer], stock: Stock
) -> list[Booked]:
    """Waits until every order of the customers has ended; these were the only ones to order of this stock.

    And the activity log of each of them has to come to have every fact, each of them once.
    """
    people = {customer.person.request("GET", "/users/me").json()["id"]: customer.person for customer in customers}
    accepted = [order for customer in customers for order in customer.accepted.values()]
    orders = waited_for(
        lambda: orders_of(databases, people), lambda seen: not _stuck(seen), SETTLED_SECONDS, "every order ends"
    )

    # None is lost, and none doubled: the customers know of every order there is.
    assert sorted(order.id for order in orders) == sorted(accepted)

    # Stock is conserved: what is gone was sold, and nothing is kept for anybody.
    sold = sum((order.quantities for order in orders if order.status == "confirmed"), Counter[str]())
    assert {sku: shop.stock(sku) for sku in stock} == {sku: (on_hand - sold[sku], 0) for sku, on_hand in stock.items()}

    # Money is conserved: paid is what is confirmed, and nothing else.
    kept = money_kept(databases, accepted)
    owed = {order.id: order.total if order.status == "confirmed" else 0 for order in orders}
    assert {order: kept.get(order, 0) for order in owed} == owed

    for customer_id, person in people.items():
        _assert_told_once(person, customer_id, [order for order in orders if order.customer_id == customer_id])
    return orders


def _stuck(orders: Sequence[Booked]) -> list[tuple[str, str]]:
    return [(order.id, order.status) for order in orders if not order.ended]


def _assert_told_once(person: Person, customer_id: str, orders: Sequence[Booked]) -> None:
    facts = Counter((kind, order.id) for order in orders for kind in ("order.placed", f"order.{order.status}"))
    facts["user.created", customer_id] = 1

    def told() -> Counter[tuple[str, str]]:
        return Counter((each["kind"], each["reference"]) for each in person.notifications())

    assert waited_for(told, lambda seen: seen.total() >= facts.total(), TOLD_SECONDS, "the log is whole") == facts
