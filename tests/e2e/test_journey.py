"""The journey of a person through the gateway, in any environment."""

import httpx

from tests.e2e.shop import TEA, Shop
from tests.fixtures import eventually


async def test_a_person_signs_up_gets_a_token_orders_and_reads_about_it(shop: Shop) -> None:
    person = shop.newcomer()
    profile = person.request("GET", "/users/me")
    assert (profile.status_code, profile.json()["email"]) == (200, person.email)

    placed = person.place_order()
    assert placed.status_code == 201, placed.text
    order = placed.json()
    assert order["status"] == "placed"
    assert order["total"] == {"amount": 900, "currency": "EUR"}
    assert person.request("GET", placed.headers["Location"]).json() == order

    async def log() -> list[tuple[str, str]]:
        entries = [(entry["kind"], entry["reference"]) for entry in person.notifications()]
        return entries if len(entries) >= 2 else []

    assert sorted(await eventually(log, deadline_seconds=20)) == [
        ("order.placed", order["id"]),
        ("user.created", profile.json()["id"]),
    ]


async def test_a_cancelled_order_is_in_the_activity_log_with_its_order(shop: Shop) -> None:
    person = shop.newcomer()
    order = person.place_order().json()

    cancelled = person.request("POST", f"/orders/{order['id']}/cancellation", json={"reason": "ordered twice"})
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")

    async def kinds() -> set[str]:
        found = {entry["kind"] for entry in person.notifications() if entry["reference"] == order["id"]}
        return found if len(found) == 2 else set()

    assert await eventually(kinds, deadline_seconds=20) == {"order.placed", "order.cancelled"}


def test_a_repeated_order_is_placed_once(shop: Shop) -> None:
    person = shop.newcomer()

    first = person.place_order(key="once")
    again = person.place_order(key="once")

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert [order["id"] for order in person.request("GET", "/orders").json()["items"]] == [first.json()["id"]]


def test_people_see_nothing_of_each_other(shop: Shop) -> None:
    ada, eve = shop.newcomer(), shop.newcomer()
    order = ada.place_order().json()

    assert eve.request("GET", f"/orders/{order['id']}").status_code == 404
    assert eve.request("POST", f"/orders/{order['id']}/cancellation").status_code == 404
    assert eve.request("GET", "/orders").json()["items"] == []
    assert ada.request("GET", f"/orders/{order['id']}").json()["status"] == "placed"


def test_every_answer_has_the_request_id_of_the_gateway(shop: Shop) -> None:
    answer = httpx.post(f"{shop.url}/orders", json={"lines": [TEA]})

    assert answer.headers["apigw-requestid"]
