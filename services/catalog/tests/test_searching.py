"""Finding products, in pages that hold still."""

from typing import Any

import pytest

from .shops import Shop


async def found(shop: Shop, search: str, **query: Any) -> list[str]:
    """The names of the test's products on the first page, which all carry its prefix as a word."""
    params: dict[str, Any] = {"search": f"{search} {shop.prefix}", "limit": 100} | query
    answer = await shop.public.get("/products", params=params)
    assert answer.status_code == 200, answer.text
    return [item["sku"].removeprefix(f"{shop.prefix}-") for item in answer.json()["items"]]


@pytest.fixture
async def teas(shop: Shop) -> Shop:
    await shop.added("GREEN-100", name="Green tea", description="A mild tea.")
    await shop.added("BLACK-100", name="Black teas of Assam", description="Strong, for the morning.")
    await shop.added("CUP", name="Cup", description="Holds tea, green or black.", category="dishes")
    return shop


SEARCHES = {
    "a word of the name": ("Assam", ["BLACK-100"]),
    "a word of the description": ("morning", ["BLACK-100"]),
    "a word in another form": ("mornings", ["BLACK-100"]),
    "another case": ("ASSAM", ["BLACK-100"]),
    "two words, in any order": ("tea green", ["CUP", "GREEN-100"]),
    "a phrase": ('"green tea"', ["GREEN-100"]),
    "without a word": ("tea -black", ["GREEN-100"]),
    "either word": ("assam or mild", ["BLACK-100", "GREEN-100"]),
    "a part of a SKU": ("100", ["BLACK-100", "GREEN-100"]),
    "several parts of a SKU": ("green-100", ["GREEN-100"]),
    "what nobody has": ("coffee", []),
    "signs that mean nothing": ("tea & | ! ( ) : * ' \\ % _", ["BLACK-100", "CUP", "GREEN-100"]),
}


@pytest.mark.parametrize(("search", "names"), SEARCHES.values(), ids=SEARCHES.keys())
async def test_a_search_reads_words_as_people_write_them(teas: Shop, search: str, names: list[str]) -> None:
    if " or " in search:
        first, _, second = search.partition(" or ")
        search = f"{first} {teas.prefix} or {second}"

    assert await found(teas, search) == names


@pytest.mark.parametrize(("end", "count"), [("", 3), ("-", 3), ("-gre", 1), ("-GREEN-100", 1), ("-GREEN-1001", 0)])
async def test_the_beginning_of_a_sku_finds_it(teas: Shop, end: str, count: int) -> None:
    for beginning in (teas.prefix, teas.prefix.lower()):
        page = (await teas.public.get("/products", params={"search": beginning + end})).json()
        assert len(page["items"]) == count


@pytest.mark.parametrize("wildcard", ["_", "%", "__-GREEN-100", "\\_"])
async def test_a_sku_has_no_wildcards(teas: Shop, wildcard: str) -> None:
    page = (await teas.public.get("/products", params={"search": teas.prefix[:-2] + wildcard})).json()

    assert page["items"] == []


async def test_a_search_by_stop_words_or_blanks_finds_nothing_and_does_no_harm(teas: Shop) -> None:
    for search in ("the", " ", '"', "-", "or"):
        answer = await teas.public.get("/products", params={"search": search})
        assert answer.status_code == 200
        assert answer.json()["items"] == []


async def test_a_changed_product_is_found_by_what_it_is_now(teas: Shop) -> None:
    await teas.put("CUP", name="Mug", description="Holds coffee.")

    assert await found(teas, "coffee") == ["CUP"]
    assert await found(teas, "black") == ["BLACK-100"]


@pytest.mark.parametrize("stored", ["Maté", "Mate\u0301"], ids=["composed", "decomposed"])
@pytest.mark.parametrize("search", ["maté", "mate\u0301"], ids=["composed", "decomposed"])
async def test_what_looks_the_same_is_found(shop: Shop, stored: str, search: str) -> None:
    await shop.added("MATE", name=stored)

    assert await found(shop, search) == ["MATE"]


async def test_a_category_narrows_a_search(teas: Shop) -> None:
    assert await found(teas, "tea", category="dishes") == ["CUP"]
    assert await found(teas, "tea", category="tea") == ["BLACK-100", "GREEN-100"]
    assert await found(teas, "tea", category="shoes") == []


async def pages(shop: Shop, limit: int) -> list[list[str]]:
    """The SKUs of all pages; between two of them a product is added that comes before all."""
    seen: list[list[str]] = []
    cursor = None
    while True:
        query: dict[str, Any] = {"search": shop.prefix, "limit": limit} | ({"cursor": cursor} if cursor else {})
        page = (await shop.public.get("/products", params=query)).json()
        seen.append([item["sku"] for item in page["items"]])
        cursor = page["next_cursor"]
        if cursor is None:
            return seen
        await shop.added(f"A{len(seen)}")


async def test_pages_hold_still_while_products_are_added(shop: Shop) -> None:
    skus = await shop.added("B1", "B2", "B3", "B4", "B5")

    assert await pages(shop, 2) == [skus[:2], skus[2:4], skus[4:]]


async def test_a_page_that_ends_with_the_list_is_the_last(shop: Shop) -> None:
    skus = await shop.added("A", "B")

    assert await pages(shop, 2) == [skus]


async def test_without_a_search_all_products_come_in_the_order_of_their_skus(shop: Shop) -> None:
    await shop.added("B", "A", category=shop.prefix.lower())

    page = (await shop.public.get("/products", params={"category": shop.prefix.lower()})).json()
    assert [item["sku"] for item in page["items"]] == [shop.sku("A"), shop.sku("B")]


CONNECTION = """query ($search: String, $category: String, $first: Int! = 20, $after: String) {
  products(search: $search, category: $category, first: $first, after: $after) {
    edges {cursor node {sku name description category listPrice {amount currency}}}
    pageInfo {hasNextPage hasPreviousPage startCursor endCursor}
  }
}"""


async def test_graphql_has_the_same_pages_as_a_connection(shop: Shop) -> None:
    skus = await shop.added("A", "B", "C")

    first = (await shop.data(CONNECTION, search=shop.prefix, first=2))["products"]
    after = first["pageInfo"]["endCursor"]
    second = (await shop.data(CONNECTION, search=shop.prefix, first=2, after=after))["products"]

    assert first["edges"][0]["node"] == {
        "sku": skus[0],
        "name": "Green tea",
        "description": "A mild tea from the first harvest.",
        "category": "tea",
        "listPrice": {"amount": 450, "currency": "EUR"},
    }
    assert [edge["node"]["sku"] for edge in first["edges"] + second["edges"]] == skus
    for page, has_next, has_previous in ((first, True, False), (second, False, True)):
        cursors = [edge["cursor"] for edge in page["edges"]]
        assert page["pageInfo"] == {
            "hasNextPage": has_next,
            "hasPreviousPage": has_previous,
            "startCursor": cursors[0],
            "endCursor": cursors[-1],
        }


async def test_an_empty_connection_has_no_cursors(shop: Shop) -> None:
    assert (await shop.data(CONNECTION, category="nothing", search="nothing"))["products"] == {
        "edges": [],
        "pageInfo": {"hasNextPage": False, "hasPreviousPage": False, "startCursor": None, "endCursor": None},
    }


@pytest.mark.parametrize("after", ["x", "", "é", "IkEAIg", "IiI", "W10"])
async def test_what_is_no_cursor_is_an_error_of_its_field(shop: Shop, after: str) -> None:
    answer = await shop.query(CONNECTION, {"after": after})

    assert answer.status_code == 200
    [error] = answer.json()["errors"]
    assert (answer.json()["data"], error["path"]) == (None, ["products"])
    assert (error["message"], error["extensions"]) == ("after is no endCursor of a page.", {"code": "BAD_USER_INPUT"})
