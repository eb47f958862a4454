"""Reading orders: one's own and nobody else's, in pages that hold still."""

from uuid import UUID, uuid4

from chassis.database import Database

from .customers import Customer, id_of, line
from .others import PAID, TO_CONFIRMED, say


async def ids(customer: Customer, **query: str | int) -> tuple[list[str], str | None]:
    answer = await customer.http.get("/orders", params=query)
    assert answer.status_code == 200, answer.text
    page = answer.json()
    return [order["id"] for order in page["items"]], page["next_cursor"]


async def place(customer: Customer, count: int) -> list[str]:
    """The ids of new orders, newest first."""
    return [(await customer.placed()).removeprefix("/orders/") for _ in range(count)][::-1]


async def test_the_list_holds_ones_own_orders_newest_first(ada: Customer, bob: Customer) -> None:
    placed = await place(ada, 3)
    await place(bob, 1)

    assert await ids(ada) == (placed, None)


async def test_an_order_in_the_list_is_the_order_itself(ada: Customer) -> None:
    path = await ada.placed(line("TEA", quantity=2), line("CUP"))

    assert (await ada.http.get("/orders")).json()["items"] == [(await ada.http.get(path)).json()]


async def test_pages_hold_still_while_orders_are_placed(ada: Customer) -> None:
    placed = await place(ada, 5)

    first, cursor = await ids(ada, limit=2)
    await place(ada, 2)
    assert cursor is not None
    second, cursor = await ids(ada, limit=2, cursor=cursor)
    assert cursor is not None
    third, cursor = await ids(ada, limit=2, cursor=cursor)

    assert [first, second, third] == [placed[:2], placed[2:4], placed[4:]]
    assert cursor is None


async def test_a_page_that_ends_with_the_list_has_no_cursor(ada: Customer) -> None:
    placed = await place(ada, 2)

    assert await ids(ada, limit=2) == (placed, None)


async def test_the_list_can_be_of_one_status(ada: Customer) -> None:
    kept, cancelled = await place(ada, 2)
    await ada.cancel(f"/orders/{cancelled}")

    assert await ids(ada, status="cancelled") == ([cancelled], None)
    assert await ids(ada, status="placed") == ([kept], None)
    assert await ids(ada, status="confirmed") == ([], None)


async def test_somebody_elses_order_looks_like_none_at_all(ada: Customer, bob: Customer) -> None:
    path = await ada.placed()
    none = f"/orders/{uuid4()}"

    for answer, missing in [
        (await bob.http.get(path), await bob.http.get(none)),
        (await bob.cancel(path), await bob.cancel(none)),
        (await bob.http.get(f"{path}/history"), await bob.http.get(f"{none}/history")),
    ]:
        assert (answer.status_code, missing.status_code) == (404, 404)
        assert answer.text.replace(path.removeprefix("/orders/"), "?") == missing.text.replace(
            none.removeprefix("/orders/"), "?"
        )
    assert (await ada.http.get(path)).json()["status"] == "placed"


async def test_somebody_elses_order_as_a_cursor_shows_nothing_of_it(ada: Customer, bob: Customer) -> None:
    await place(ada, 2)
    _, cursor = await ids(ada, limit=1)
    assert cursor is not None
    own = await place(bob, 1)

    assert await ids(bob, cursor=cursor) == ([], None)
    assert await ids(bob) == (own, None)


async def test_the_etag_saves_reading_an_order_that_has_not_changed(ada: Customer) -> None:
    path = await ada.placed()
    etag = (await ada.http.get(path)).headers["ETag"]

    unchanged = await ada.http.get(path, headers={"If-None-Match": f'"other", W/{etag}'})
    await ada.cancel(path)
    changed = await ada.http.get(path, headers={"If-None-Match": etag})

    assert (unchanged.status_code, unchanged.content, unchanged.headers["ETag"]) == (304, b"", etag)
    assert (changed.status_code, changed.json()["status"]) == (200, "cancelled")
    assert changed.headers["ETag"] != etag


async def test_ids_grow_with_time_so_that_their_order_is_the_order_of_arrival(ada: Customer) -> None:
    placed = await place(ada, 20)

    assert placed == sorted(placed, key=UUID, reverse=True)


async def test_the_history_tells_how_an_order_came_to_be_what_it_is(ada: Customer, database: Database) -> None:
    path = await ada.placed(line("TEA"))
    order = (await ada.http.get(path)).json()
    await say(database, id_of(path), *TO_CONFIRMED)

    items = await ada.history(path)

    assert [(item["version"], item["type"]) for item in items] == [
        (1, "order.placed"),
        (2, "order.reserved"),
        (3, "order.paid"),
        (4, "order.confirmed"),
    ]
    times = [item["occurred_at"] for item in items]
    assert times == sorted(times)
    assert times[0] == order["placed_at"]
    assert items[0]["data"] == {
        "lines": [{"sku": "TEA", "quantity": 1, "unit_price": PAID["amount"]}],
        "discounts": [],
        "priced_by": "promotions",
        "total": order["total"],
        "payment_method": "card",
    }


async def test_the_history_of_a_cancelled_order_says_why_and_ends_there(ada: Customer, database: Database) -> None:
    path = await ada.placed()
    await ada.cancel(path, "ordered twice")
    await say(database, id_of(path), "stock.released")

    placed, cancelled = await ada.history(path)

    assert (placed["type"], cancelled["type"]) == ("order.placed", "order.cancelled")
    assert cancelled["data"] == {"cause": "customer", "reason": "ordered twice"}
