"""What `make seed` does to a shop, and does not do again."""

import io
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from rich.console import Console

from shop import sample_orders, seed
from shop.connection import Connection
from shop.errors import Refused
from shop.outputs import Outputs
from shop.users import new_user
from tests.shop.documents import history, order, page, product
from tests.shop.server import Answer, FakeShop, problem

PRODUCT = seed.SeedProduct(sku="TEA-1", name="Tea", category="tea", description="Green.", price=450, stock=7)
NEW = Answer(201, {})


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeShop]:
    monkeypatch.setenv("SHOP_HOME", str(tmp_path / "home"))
    shop = FakeShop()
    yield shop
    shop.close()


@pytest.fixture
def found(shop: FakeShop) -> Outputs:
    return Outputs.model_validate(shop.outputs)


@pytest.fixture
def connection(shop: FakeShop, found: Outputs) -> Iterator[Connection]:
    user = new_user(found, "staff")
    shop.people[user.email] = user.password
    with closing(user.connection(print)) as connection:
        yield connection


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=200)


def test_the_shelves_are_forty_products_that_the_shop_takes() -> None:
    products = seed.seed_products()

    assert len(products) in range(38, 46)
    assert len({each.sku for each in products}) == len(products)
    assert {each.category for each in products} == {"tea", "coffee", "mugs", "brewing", "biscuits", "treats"}
    for each in products:
        assert re.fullmatch(r"[A-Z0-9][A-Z0-9-]{0,63}", each.sku)
        assert each.price > 0
        assert each.stock > 0


def test_a_product_that_is_missing_is_put_on_the_shelf(shop: FakeShop, connection: Connection) -> None:
    shop.on("GET /products", Answer(body=page()))
    shop.on("PUT /products/TEA-1", NEW)

    assert seed.put_products(connection, [PRODUCT]) == {"new": 1}
    (asked,) = shop.asked("PUT /products/TEA-1")
    assert asked.headers["authorization"] == "Bearer token-1"
    assert asked.json == {
        "name": "Tea",
        "description": "Green.",
        "category": "tea",
        "list_price": {"amount": 450, "currency": "EUR"},
        "active": True,
    }


def test_a_product_that_is_another_is_changed(shop: FakeShop, connection: Connection) -> None:
    shop.on("GET /products", Answer(body=page(product("TEA-1"))))
    shop.on("PUT /products/TEA-1", Answer(200, {}))

    assert seed.put_products(connection, [PRODUCT]) == {"changed": 1}


def test_a_product_that_is_there_is_left_alone(shop: FakeShop, connection: Connection) -> None:
    shop.on("GET /products", Answer(body=page(product("TEA-1", **PRODUCT.document))))

    assert seed.put_products(connection, [PRODUCT]) == {"as before": 1}
    assert shop.asked("PUT /products/TEA-1") == []


def test_stock_is_set_where_there_is_none(shop: FakeShop, connection: Connection) -> None:
    shop.on("GET /stock/TEA-1", problem(404, "Not in stock"))
    shop.on("PUT /stock/TEA-1", NEW)

    assert seed.put_stock(connection, [PRODUCT]) == {"set": 1}
    assert shop.asked("PUT /stock/TEA-1")[0].json == {"on_hand": 7}


def test_stock_that_is_known_is_left_alone(shop: FakeShop, connection: Connection) -> None:
    shop.on("GET /stock/TEA-1", Answer(body={"sku": "TEA-1", "on_hand": 2, "reserved": 1, "available": 1}))

    assert seed.put_stock(connection, [PRODUCT]) == {"left": 1}


def test_a_refusal_is_no_missing_stock(shop: FakeShop, connection: Connection) -> None:
    shop.on("GET /stock/TEA-1", problem(403, "Forbidden"))

    with pytest.raises(Refused, match="Forbidden"):
        seed.put_stock(connection, [PRODUCT])


def test_the_staff_person_is_made_once_and_remembered_for_the_owner_alone(
    shop: FakeShop, found: Outputs, console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    appointed: list[tuple[str, int]] = []
    monkeypatch.setattr(seed, "add_to_staff", lambda _, email: appointed.append((email, shop.tokens)))

    first, second = seed.staff_member(found, console), seed.staff_member(found, console)

    assert (first.email, first.password) == (second.email, second.password)
    assert len(shop.asked("POST /users")) == 1
    assert [email for email, _ in appointed] == [first.email, first.email]
    assert int(second.token().removeprefix("token-")) > appointed[1][1]  # only a later sign-in knows of the group
    (kept,) = (tmp_path / "home").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert first.password in kept.read_text()
    assert first.password not in repr(first)


def test_a_pool_that_has_lost_its_people_gets_the_staff_person_again(
    shop: FakeShop, found: Outputs, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seed, "add_to_staff", lambda *_: None)
    before = seed.staff_member(found, console)
    shop.people.clear()

    assert seed.staff_member(found, console).email == before.email
    assert before.email in shop.people


@pytest.fixture
def orders_placed(shop: FakeShop, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has every order answered like this, and confirmed at once."""
    monkeypatch.setattr("shop.following.POLL_SECONDS", 0.01)
    ended = order("confirmed")
    shop.on(f"GET /orders/{ended['id']}", Answer(body=ended))
    shop.on(f"GET /orders/{ended['id']}/history", Answer(body=history("placed", "confirmed")))
    return lambda *answers: shop.on("POST /orders", *answers)


def shown(found: Outputs, console: Console) -> list[list[str]]:
    console.print(sample_orders.sample_orders(found, ["TEA-1", "TEA-2", "TEA-3"], 5, console))
    assert isinstance(console.file, io.StringIO)
    lines = [line.split() for line in console.file.getvalue().splitlines()]
    return [line for line in lines if line and line[0].startswith("card")]


def test_sample_customers_order_and_their_ends_are_counted(
    shop: FakeShop, found: Outputs, console: Console, orders_placed: Callable[..., None]
) -> None:
    orders_placed(Answer(201, order()))

    lines = shown(found, console)

    assert sum(int(line[2]) for line in lines) == 5
    assert {line[1] for line in lines} == {"confirmed"}
    assert len(shop.asked("POST /users")) == 5
    assert len({each.headers["idempotency-key"] for each in shop.asked("POST /orders")}) == 5


def test_products_of_which_orders_has_not_heard_yet_are_waited_for(
    found: Outputs, console: Console, orders_placed: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_orders, "NEW_PRODUCT_POLL_SECONDS", 0.01)
    orders_placed(*[problem(422, "Order refused", "Not sold here: TEA-1.")] * 7, Answer(201, order()))

    assert sum(int(line[2]) for line in shown(found, console)) == 5


def test_products_that_are_never_sold_are_an_error(
    found: Outputs, console: Console, orders_placed: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_orders, "NEW_PRODUCT_SECONDS", 0)
    orders_placed(problem(422, "Order refused", "Not sold here: TEA-1."))

    with pytest.raises(Refused, match="Not sold here"):
        shown(found, console)


def test_a_number_of_orders_out_of_bounds_is_refused() -> None:
    with pytest.raises(SystemExit) as ended:
        seed.main(["--orders", "1001"])

    assert ended.value.code == 2
