"""What the shop has, as a person sees it."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.shop.conftest import Run
from tests.shop.documents import eur, offer, page, product
from tests.shop.server import Answer, FakeShop


def test_products_are_listed_with_their_prices(shop: FakeShop, run: Run) -> None:
    shop.on("GET /products", Answer(body=page(product(), product("CUP-1", name="Cup", category="cups"))))

    result = run("browse")

    assert result.exit_code == 0
    assert [line.split() for line in result.stdout.splitlines() if "EUR" in line] == [
        ["TEA-GREEN-100", "Green", "tea", "tea", "6.25", "EUR"],
        ["CUP-1", "Cup", "cups", "6.25", "EUR"],
    ]
    assert "authorization" not in shop.requests[0].headers


def test_a_search_is_the_shops(shop: FakeShop, run: Run) -> None:
    shop.on("GET /products", Answer(body=page()))

    assert run("browse", "green tea", "--category", "tea").stdout == "Nothing fits.\n"
    assert shop.requests[0].query == {"search": "green tea", "category": "tea", "limit": "50"}


def test_json_has_every_field(shop: FakeShop, run: Run) -> None:
    shop.on("GET /products", Answer(body=page(product())))

    assert json.loads(run("browse", "--json").stdout) == [product()]


def test_what_others_have_written_does_not_steer_the_terminal(shop: FakeShop, run: Run) -> None:
    shop.on("GET /products", Answer(body=page(product(name="\x1b[2J[red]Tea[/red]"))))

    shown = run("browse").stdout

    assert "\x1b" not in shown
    assert "[2J[red]Tea[/red]" in shown


@pytest.mark.parametrize("unseen", ["\u202e", "\u2066", "\u200f", "\u200b", "\u2028", "\u0085", "\ufeff"], ids=ascii)
def test_what_others_have_written_is_shown_in_the_order_it_has(shop: FakeShop, run: Run, unseen: str) -> None:
    shop.on("GET /products", Answer(body=page(product(name=f"tea {unseen}gnp"))))

    shown = run("browse").stdout

    assert unseen not in shown
    assert "tea  gnp" in shown


def test_an_answer_of_another_version_is_one_line(shop: FakeShop, run: Run) -> None:
    shop.on("GET /products", Answer(body=page({"sku": "TEA"})))

    result = run("browse")

    assert result.exit_code == 1
    assert result.stderr == (
        "shop: the shop's answer to GET /products is of another version: items.0.name: Field required\n"
    )


def test_a_product_has_todays_price_and_its_stock(shop: FakeShop, run: Run) -> None:
    shop.on("POST /graphql", Answer(body=offer()))

    result = run("show", "tea-green-100")

    assert result.exit_code == 0
    for part in ("Green tea", "From the first flush.", "5.00 EUR  instead of 6.25 EUR (spring)", "12 in stock"):
        assert part in result.stdout
    assert shop.requests[0].json["variables"] == {"sku": "TEA-GREEN-100"}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"price": eur(625) | {"promotion": None, "source": "LIST"}}, "6.25 EUR  list price: promotions are out of"),
        ({"price": eur(625) | {"promotion": None, "source": "PRICING"}}, "6.25 EUR\n"),
        ({"stock": {"available": None, "source": "UNAVAILABLE"}}, "unknown now: inventory is out of reach"),
        ({"stock": {"available": 0, "source": "INVENTORY"}}, "sold out"),
    ],
)
def test_what_is_not_known_is_said_to_be(shop: FakeShop, run: Run, changed: dict[str, Any], said: str) -> None:
    shop.on("POST /graphql", Answer(body=offer(**changed)))

    lines = "\n".join(line.rstrip() for line in run("show", "TEA-GREEN-100").stdout.splitlines())

    assert said in lines


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"data": {"product": None}}, "shop: there is no product TEA-1: python -m shop browse\n"),
        ({"data": None, "errors": [{"message": "too deep"}]}, "shop: the storefront refuses: too deep\n"),
    ],
)
def test_a_product_that_is_not_there_is_one_line(shop: FakeShop, run: Run, answer: Any, said: str) -> None:
    shop.on("POST /graphql", Answer(body=answer))

    result = run("show", "TEA-1")

    assert (result.exit_code, result.stderr) == (1, said)


@pytest.mark.parametrize("words", [[], ["--help"], ["order", "--help"]])
def test_help_is_there_without_a_shop(words: list[str], run: Run) -> None:
    result = run(*words)

    assert "Usage: " in result.output
    assert "python -m shop" in result.output or not words


def test_it_is_a_module_that_runs() -> None:
    shown = subprocess.run([sys.executable, "-m", "shop", "--help"], capture_output=True, text=True, timeout=30)

    assert shown.returncode == 0
    assert "python -m shop [OPTIONS] COMMAND" in shown.stdout
