"""What the staff put into the catalog, what the public sees of it, and what others are told."""

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa
from catalog.tables import products
from chassis.database import Database

from tests.fixtures import eventually

from .shops import Shop, content


async def test_a_new_product_is_shown_as_it_was_put(shop: Shop) -> None:
    answer = await shop.put()

    document = {"sku": shop.sku(), "version": 1} | content()
    assert (answer.status_code, answer.json()) == (201, document)
    assert answer.headers["Location"] == f"/products/{shop.sku()}"
    shown = await shop.get()
    assert (shown.status_code, shown.json()) == (200, document)
    assert shown.headers["ETag"] == answer.headers["ETag"]


async def test_a_changed_product_is_shown_as_it_was_put_last(shop: Shop) -> None:
    await shop.added("TEA")

    answer = await shop.put(name="Green tea, large", list_price={"amount": 900, "currency": "EUR"})

    assert answer.status_code == 200
    assert "Location" not in answer.headers
    assert (await shop.get()).json() == answer.json()
    assert answer.json() == {"sku": shop.sku(), "version": 2} | content(
        name="Green tea, large", list_price={"amount": 900, "currency": "EUR"}
    )


async def test_each_change_is_published_with_the_whole_state(shop: Shop) -> None:
    await shop.added("TEA")
    await shop.put(list_price={"amount": 500, "currency": "EUR"})
    await shop.put(description="Another text.", active=False)

    def data(amount: int, active: bool) -> dict[str, Any]:
        price = {"amount": amount, "currency": "EUR"}
        return {"sku": shop.sku(), "name": "Green tea", "category": "tea", "list_price": price, "active": active}

    events = await shop.events()
    assert [(event.type, event.version, event.source, event.aggregate_id, event.sequence) for event in events] == [
        ("product.added", 1, "catalog", shop.sku(), 1),
        ("product.changed", 1, "catalog", shop.sku(), 2),
        ("product.changed", 1, "catalog", shop.sku(), 3),
    ]
    assert [event.data for event in events] == [data(450, True), data(500, True), data(450, False)]


async def test_the_same_again_changes_nothing_and_publishes_nothing(shop: Shop) -> None:
    first = await shop.put()
    again = await shop.put()

    assert (again.status_code, again.json()) == (200, first.json())
    assert len(await shop.events()) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Tea"},
        {"description": ""},
        {"category": "drinks"},
        {"list_price": {"amount": 451, "currency": "EUR"}},
        {"list_price": {"amount": 450, "currency": "USD"}},
        {"active": False},
    ],
    ids=str,
)
async def test_every_member_that_differs_is_a_change(shop: Shop, change: dict[str, Any]) -> None:
    before = await shop.put()
    after = await shop.put(**change)

    assert after.json() == before.json() | change | {"version": 2}
    assert after.headers["ETag"] != before.headers["ETag"]
    assert len(await shop.events()) == 2


async def test_the_public_sees_active_products_alone(shop: Shop) -> None:
    await shop.added("OLD", active=False)
    await shop.added("TEA")

    assert (await shop.get("OLD")).status_code == 404
    page = (await shop.public.get("/products", params={"search": shop.prefix})).json()
    assert [item["sku"] for item in page["items"]] == [shop.sku("TEA")]
    data = await shop.data(f'{{a: product(sku: "{shop.sku("OLD")}") {{sku}} b: product(sku: "{shop.sku()}") {{sku}}}}')
    assert data == {"a": None, "b": {"sku": shop.sku()}}

    await shop.put("OLD", active=True)
    assert (await shop.get("OLD")).json()["version"] == 2


async def test_a_change_of_what_was_seen_is_made_and_of_what_has_changed_since_is_not(shop: Shop) -> None:
    seen = (await shop.put()).headers["ETag"]
    assert (await shop.put(name="Ada's tea", headers={"If-Match": f'"other", {seen}'})).status_code == 200

    late = await shop.put(name="Bob's tea", headers={"If-Match": seen})

    assert (late.status_code, late.json()["title"]) == (412, "Product has changed")
    assert (await shop.get()).json()["name"] == "Ada's tea"
    assert len(await shop.events()) == 2


async def test_a_repeated_change_is_no_conflict_with_itself(shop: Shop) -> None:
    """Its first answer may have been lost: what the caller wants is there."""
    seen = (await shop.put()).headers["ETag"]
    first = await shop.put(name="Ada's tea", headers={"If-Match": seen})
    again = await shop.put(name="Ada's tea", headers={"If-Match": seen})

    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json() == first.json()


@pytest.mark.parametrize("tag", ["*", '"1"', 'W/"1"', "nonsense", ""])
async def test_a_product_that_is_not_there_matches_no_tag(shop: Shop, tag: str) -> None:
    assert (await shop.put(headers={"If-Match": tag})).status_code == 412
    assert (await shop.get()).status_code == 404
    assert await shop.events() == []


async def test_a_weak_tag_is_not_good_enough_to_replace_and_a_star_is(shop: Shop) -> None:
    tag = (await shop.put()).headers["ETag"]

    assert (await shop.put(name="Tea", headers={"If-Match": f"W/{tag}"})).status_code == 412
    assert (await shop.put(name="Tea", headers={"If-Match": "*"})).status_code == 200


async def test_what_has_not_changed_is_not_sent_again(shop: Shop) -> None:
    await shop.added("TEA")
    for path in (f"/products/{shop.sku()}", f"/products?search={shop.prefix}"):
        full = await shop.public.get(path)
        tag = full.headers["ETag"]
        assert not tag.startswith("W/")
        for known in (tag, f'"other", W/{tag}', "*"):
            answer = await shop.public.get(path, headers={"If-None-Match": known})
            assert (answer.status_code, answer.content) == (304, b"")
            assert answer.headers["ETag"] == tag
            assert answer.headers["Cache-Control"] == full.headers["Cache-Control"] == "public, max-age=60"

        await shop.put(name=f"Tea for {path}")

        changed = await shop.public.get(path, headers={"If-None-Match": tag})
        assert changed.status_code == 200
        assert changed.headers["ETag"] != tag


async def test_a_missing_product_is_not_to_be_kept_by_a_cache(shop: Shop) -> None:
    assert "Cache-Control" not in (await shop.get()).headers


async def test_products_added_at_the_same_time_are_one_product(shop: Shop) -> None:
    answers = await asyncio.gather(*(shop.put(name=f"Tea {number}") for number in range(5)))

    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 200, 201]
    assert sorted(answer.json()["version"] for answer in answers) == [1, 2, 3, 4, 5]
    events = await shop.events()
    assert [event.sequence for event in events] == [1, 2, 3, 4, 5]
    assert (await shop.get()).json()["name"] == events[-1].data["name"]


async def test_of_two_changes_of_one_state_one_is_made(shop: Shop) -> None:
    seen = (await shop.put()).headers["ETag"]

    answers = await asyncio.gather(*(shop.put(name=f"Tea {number}", headers={"If-Match": seen}) for number in (1, 2)))

    assert sorted(answer.status_code for answer in answers) == [200, 412]


async def test_an_addition_that_somebody_else_makes_first_becomes_a_change(shop: Shop, observer: Database) -> None:
    """The product is not there when it is looked for, and there when it is to be stored."""
    await shop.added("MODEL")
    others = [column for column in products.c if column.name not in ("sku", "search")]
    model = sa.select(sa.literal(shop.sku("TEA")), *others).where(products.c.sku == shop.sku("MODEL"))
    copied = sa.insert(products).from_select([products.c.sku, *others], model)
    async with observer.transaction() as tx:
        await tx.execute(copied)
        late = asyncio.create_task(shop.put("TEA", name="Another tea"))
        await eventually(lambda: waiting(shop.database))

    answer = await late
    assert (answer.status_code, answer.json()["version"]) == (200, 2)


async def waiting(database: Database) -> int:
    """How many statements wait for another transaction."""
    count = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    async with database.connection() as connection:
        return int((await connection.execute(sa.text(count))).scalar_one())
