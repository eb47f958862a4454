"""What is known of the catalogue."""

import itertools

import pytest
from chassis.database import Database
from chassis.money import Money
from orders import products
from orders.domain.basket import Product
from orders.products import Products

from .customers import Customer, line
from .others import deliver, product

NAMES = map("SKU-{}".format, itertools.count(1))


class Clock:
    seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def sku() -> str:
    """One that no other test has."""
    return next(NAMES)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def known(database: Database, clock: Clock) -> Products:
    return Products(database, clock)


async def price(known: Products, sku: str) -> int | None:
    found = await known.find([sku])
    return found[sku].list_price.amount if sku in found else None


async def test_a_product_is_what_its_event_says(database: Database, known: Products, sku: str) -> None:
    await deliver(database, product(sku, "A kettle", 4_500))

    kettle = Product(
        sku=sku, name="A kettle", category="tea", list_price=Money(amount=4_500, currency="EUR"), active=True
    )
    assert await known.find([sku, "NEVER"]) == {sku: kettle}


async def test_the_newest_state_stays_in_whatever_order_they_come(
    database: Database, known: Products, clock: Clock, sku: str
) -> None:
    states = {version: product(sku, "A kettle", 100 * version, version=version) for version in (1, 2, 3)}
    seen = []
    for version in (2, 1, 3, 2):
        await deliver(database, states[version])
        clock.seconds += products.FRESH_SECONDS
        seen.append(await price(known, sku))

    assert seen == [200, 200, 300, 300]


async def test_a_price_is_kept_for_some_seconds_and_then_asked_for_again(
    database: Database, known: Products, clock: Clock, sku: str
) -> None:
    await deliver(database, product(sku, "A kettle", 100))
    assert await price(known, sku) == 100
    await deliver(database, product(sku, "A kettle", 200, version=2))

    clock.seconds += products.FRESH_SECONDS - 0.01
    assert await price(known, sku) == 100
    clock.seconds += 0.01
    assert await price(known, sku) == 200


async def test_a_new_product_is_found_at_once_although_it_was_asked_for_before(
    database: Database, known: Products, sku: str
) -> None:
    assert await price(known, sku) is None
    await deliver(database, product(sku, "A kettle", 100))

    assert await price(known, sku) == 100


async def test_no_more_than_so_many_are_kept_and_the_oldest_goes_first(
    database: Database, known: Products, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "MAX_CACHED", 2)
    skus = [next(NAMES) for _ in range(3)]
    await deliver(database, *(product(sku, "A kettle", 100) for sku in skus))
    for sku in skus:
        await known.find([sku])
    await deliver(database, *(product(sku, "A kettle", 200, version=2) for sku in skus))

    assert [await price(known, sku) for sku in (skus[1], skus[2], skus[0])] == [100, 100, 200]


async def test_an_order_keeps_the_price_of_its_time(ada: Customer, database: Database, sku: str) -> None:
    await deliver(database, product(sku, "A kettle", 100))
    before = await ada.place(line(sku))
    await deliver(database, product(sku, "A better kettle", 200, version=2))

    assert (await ada.http.get(before.headers["Location"])).json() == before.json()
