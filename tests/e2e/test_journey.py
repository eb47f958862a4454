"""The journeys of people through the gateway, in any environment."""

import httpx
import pytest

from tests.e2e.shop import NEWS_SECONDS, PRICE, TEA, Person, Shop, waited_for

CONFIRMED = ["placed", "reserved", "paid", "confirmed"]


@pytest.fixture
def person(shop: Shop) -> Person:
    return shop.newcomer()


def told(person: Person, reference: str, kinds: list[str]) -> None:
    """The activity log comes to have exactly these entries about it."""
    assert (
        waited_for(lambda: person.told_of(reference), lambda seen: len(seen) >= len(kinds), NEWS_SECONDS, "told")
        == kinds
    )


def test_a_person_signs_up_orders_and_reads_about_it(shop: Shop, person: Person) -> None:
    profile = person.request("GET", "/users/me")
    assert (profile.status_code, profile.json()["email"]) == (200, person.email)

    placed = person.order()
    assert placed.status_code == 201, placed.text
    order = placed.json()
    assert (order["status"], order["cancellation"], order["payment_method"]) == ("placed", None, "card")
    assert (order["total"], order["priced_by"]) == ({"amount": 2 * PRICE, "currency": "EUR"}, shop.priced_by)
    assert placed.headers["Location"] == f"/orders/{order['id']}"

    assert person.ended(order["id"]) == order | {"status": "confirmed"}
    assert person.history(order["id"]) == CONFIRMED
    told(person, order["id"], ["order.confirmed", "order.placed"])
    told(person, profile.json()["id"], ["user.created"])


@pytest.mark.parametrize("method", ["card-slow", "card-flaky"])
def test_a_payment_that_takes_its_time_is_confirmed_once(person: Person, method: str) -> None:
    order = person.placed(pay=method)

    assert person.ended(order["id"])["status"] == "confirmed"
    assert person.history(order["id"]) == CONFIRMED


@pytest.mark.parametrize("method", ["card-declined", "card-insufficient-funds"])
def test_a_declined_payment_cancels_the_order_and_brings_the_stock_back(
    shop: Shop, person: Person, method: str
) -> None:
    sku = shop.new_product(on_hand=5)
    order = person.placed({"sku": sku, "quantity": 3}, pay=method)

    ended = person.ended(order["id"])

    assert (ended["status"], ended["cancellation"]["cause"]) == ("cancelled", "payment_declined")
    assert ended["cancellation"]["reason"]
    assert person.history(order["id"]) == ["placed", "reserved", "cancelled"]
    assert waited_for(lambda: shop.stock(sku), lambda seen: seen == (5, 0), NEWS_SECONDS, "the stock is back")
    told(person, order["id"], ["order.cancelled", "order.placed"])


def test_what_is_not_there_is_not_sold(shop: Shop, person: Person) -> None:
    sku = shop.new_product(on_hand=2)

    ended = person.ended(person.placed({"sku": sku, "quantity": 3})["id"])

    assert (ended["status"], ended["cancellation"]["cause"]) == ("cancelled", "out_of_stock")
    assert person.history(ended["id"]) == ["placed", "cancelled"]
    assert shop.stock(sku) == (2, 0)


def test_the_last_piece_is_sold_once(shop: Shop) -> None:
    sku = shop.new_product(on_hand=1)
    people = [shop.newcomer() for _ in range(4)]
    orders = [(person, person.placed({"sku": sku, "quantity": 1})["id"]) for person in people]

    ends = sorted(person.ended(order_id)["status"] for person, order_id in orders)

    assert ends == ["cancelled", "cancelled", "cancelled", "confirmed"]
    assert waited_for(lambda: shop.stock(sku), lambda seen: seen == (0, 0), NEWS_SECONDS, "it is sold")


def test_sold_pieces_are_gone(shop: Shop, person: Person) -> None:
    sku = shop.new_product(on_hand=10)

    assert person.ended(person.placed({"sku": sku, "quantity": 4})["id"])["status"] == "confirmed"

    assert shop.stock(sku) == (6, 0)
    assert waited_for(
        lambda: shop.storefront(sku)["stock"], lambda seen: seen["available"] == 6, NEWS_SECONDS, "the storefront knows"
    ) == {"available": 6, "source": "INVENTORY"}


def test_a_customer_cancels_and_gets_everything_back(shop: Shop, person: Person) -> None:
    sku = shop.new_product(on_hand=5)
    order = person.placed({"sku": sku, "quantity": 5}, pay="card-timeout")  # which leaves time to think again

    cancelled = person.request("POST", f"/orders/{order['id']}/cancellation", json={"reason": "ordered twice"})

    assert cancelled.status_code == 200, cancelled.text
    ended = person.ended(order["id"])
    assert ended["status"] == "cancelled"
    assert ended["cancellation"] == {"cause": "customer", "reason": "ordered twice"}
    assert waited_for(lambda: shop.stock(sku), lambda seen: seen == (5, 0), NEWS_SECONDS, "the stock is back")
    told(person, order["id"], ["order.cancelled", "order.placed"])
    again = person.request("POST", f"/orders/{order['id']}/cancellation", json={"reason": "ordered twice"})
    assert (again.status_code, again.json()) == (200, ended)


def test_a_confirmed_order_cannot_be_cancelled(person: Person) -> None:
    order = person.placed()
    assert person.ended(order["id"])["status"] == "confirmed"

    assert person.request("POST", f"/orders/{order['id']}/cancellation", json={}).status_code == 409


def test_a_repeated_order_is_placed_once(person: Person) -> None:
    first = person.order(key="once")
    again = person.order(key="once")

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json()["id"] == first.json()["id"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert [order["id"] for order in person.orders()] == [first.json()["id"]]


def test_promotions_come_off_the_list_prices(shop: Shop, person: Person) -> None:
    if shop.priced_by == "list":
        pytest.skip("pricing does not run here: there is no Go")
    sku = shop.new_product(on_hand=10, category="tea")  # three for the price of two

    order = person.placed({"sku": sku, "quantity": 6})

    assert order["priced_by"] == "promotions"
    off = sum(discount["amount"]["amount"] for discount in order["discounts"])
    assert (off, order["total"]["amount"]) == (2 * PRICE, 4 * PRICE)
    assert all(discount["label"] for discount in order["discounts"])
    assert person.ended(order["id"])["status"] == "confirmed"


def test_people_see_nothing_of_each_other(shop: Shop) -> None:
    ada, eve = shop.newcomer(), shop.newcomer()
    order = ada.placed()

    assert eve.request("GET", f"/orders/{order['id']}").status_code == 404
    assert eve.request("GET", f"/orders/{order['id']}/history").status_code == 404
    assert eve.request("POST", f"/orders/{order['id']}/cancellation").status_code == 404
    assert eve.orders() == []
    assert ada.ended(order["id"])["status"] == "confirmed"
    told(ada, order["id"], ["order.confirmed", "order.placed"])
    assert eve.told_of(order["id"]) == []


def test_a_customer_is_no_staff_whatever_the_token_allows(shop: Shop, person: Person) -> None:
    sku = TEA["sku"]
    product = shop.staff.request("GET", f"/products/{sku}").json()
    content = {name: product[name] for name in ("name", "description", "category", "list_price", "active")}
    free = content | {"list_price": {"amount": 0, "currency": "EUR"}}

    assert person.request("PUT", f"/products/{sku}", json=free).status_code == 403
    assert person.request("PUT", f"/stock/{sku}", json={"on_hand": 0}).status_code == 403
    assert shop.staff.request("GET", f"/products/{sku}").json() == product


def test_everybody_may_browse_and_an_unchanged_product_is_not_sent_again(shop: Shop) -> None:
    found = httpx.get(f"{shop.url}/products", params={"category": "e2e", "limit": 100}, timeout=30)
    assert found.status_code == 200, found.text
    assert TEA["sku"] in [product["sku"] for product in found.json()["items"]]

    product = httpx.get(f"{shop.url}/products/{TEA['sku']}", timeout=30)
    again = httpx.get(product.url, headers={"If-None-Match": product.headers["ETag"]}, timeout=30)
    assert (product.status_code, again.status_code) == (200, 304)
    assert product.headers["Cache-Control"]


def test_a_price_change_reaches_the_next_order(shop: Shop, person: Person) -> None:
    sku = shop.new_product(on_hand=5)
    shop.offer(sku, on_hand=5, price=2 * PRICE)

    def total() -> int:
        return int(person.placed({"sku": sku, "quantity": 1})["total"]["amount"])

    assert waited_for(total, lambda seen: seen == 2 * PRICE, NEWS_SECONDS, "orders knows the new price")


def test_every_answer_has_the_request_id_of_the_gateway(shop: Shop) -> None:
    answer = httpx.post(f"{shop.url}/orders", json={"lines": [TEA]}, timeout=30)

    assert answer.headers["apigw-requestid"]
