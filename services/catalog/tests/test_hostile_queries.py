"""What a query may not do: it is refused with a reason before anything of it is executed, and in little time."""

import asyncio
import json
import time
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from catalog.bootstrap import CatalogSettings
from catalog.storefront import limits
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from tests.tokens import Issuer

from .shops import Shop, opened
from .test_bad_input import assert_problem

pytestmark = pytest.mark.slow

MAX_CPU_SECONDS = 5.0
"""Far more than any refusal takes (tens of milliseconds), and far less than what the attack would."""


def fragments(name: str, on: str, count: int, spreads: int, leaf: str) -> str:
    """A chain of fragments, each of which spreads the next several times."""
    chain = (f"fragment {name}{at} on {on} {{{f'...{name}{at + 1} ' * spreads}}}" for at in range(count))
    return " ".join(chain) + f" fragment {name}{count} on {on} {{{leaf}}}"


def node(selection: str) -> str:
    return f"{{products(first: 1) {{edges {{node {{{selection}}}}}}}}}"


def single(selection: str) -> str:
    return f'{{product(sku: "A") {{{selection}}}}}'


TOO_COSTLY = {
    "nested too deep": ("{a" * 9 + "}" * 9, f"at most {limits.MAX_DEPTH} levels"),
    "nested as deep as a fragment makes it": (
        "{a {b {c {d {e {...f}}}}}} fragment f on Query {g {h {i {j}}}}",
        f"at most {limits.MAX_DEPTH} levels; this query has 9",
    ),
    "many fields": (single("sku " * 150), f"at most {limits.MAX_FIELDS} fields; this query has 151"),
    "a fragment bomb": (single("...f0") + fragments("f", "Product", 18, 2, "sku"), "at most 150 fields"),
    "a larger fragment bomb": (single("...f0") + fragments("f", "Product", 19, 9, "sku"), "at most 150 fields"),
    "a fragment bomb that nothing spreads": (single("sku") + fragments("f", "Product", 18, 2, "sku"), "150 fields"),
    "many fragments": (single("sku") + fragments("f", "Product", 20, 1, "sku"), "at most 20 fragments"),
    "an alias flood": (single(" ".join(f"a{at}: sku" for at in range(21))), "at most 20 aliases; this query has 21"),
    "a flood of aliased root fields": (
        "{" + " ".join(f'a{at}: product(sku: "A") {{sku}}' for at in range(21)) + "}",
        "at most 20 aliases",
    ),
    "a directive flood": (single("sku " + "@include(if: true) " * 21), "at most 20 directives; this query has 21"),
    "a flood of unknown directives": (single("sku " + "@a " * 21), "at most 20 directives"),
    "a flood of directives on the operation": ("query " + "@a " * 21 + "{__typename}", "at most 20 directives"),
    "many products in two lists": (
        "{a: products(first: 60) {edges {cursor}} b: products(first: 41) {edges {cursor}}}",
        "at most 100 products in its answer; this query has 101",
    ),
    "many products in a fragment": (
        "{...f} fragment f on Query {a: products(first: 99) {edges {cursor}} "
        'b: product(sku: "A") {sku} c: product(sku: "B") {sku}}',
        "at most 100 products in its answer; this query has 101",
    ),
    "a long list of large products": (
        "{products(first: 100) {edges {node {" + "sku " * 24 + "}}}}",
        "at most 2500 fields in its answer; this query has 2601",
    ),
}


async def refused(shop: Shop, body: Any) -> list[dict[str, Any]]:
    """The errors of a query that was not executed, and refused in time."""
    started = time.process_time()
    answer = await shop.public.post("/graphql", json=body)
    assert time.process_time() - started < MAX_CPU_SECONDS
    assert answer.status_code == 400, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    document = answer.json()
    assert document.keys() == {"errors"}
    return document["errors"]  # type: ignore[no-any-return]


async def test_a_query_that_is_too_costly_is_refused_with_the_limit(shop: Shop) -> None:
    for case, (query, reason) in TOO_COSTLY.items():
        [error] = await refused(shop, {"query": query})

        assert error["extensions"] == {"code": "TOO_COSTLY"}, case
        assert reason in error["message"], case
    assert (shop.pricing.asked, shop.inventory.asked) == ([], [])


@pytest.mark.parametrize("first", [101, 0, -1, 2**31 - 1, -(2**31), 100.0 + 1])
async def test_a_page_size_out_of_bounds_is_refused_as_a_variable_and_as_a_literal(shop: Shop, first: float) -> None:
    by_variable = "query ($first: Int!) {products(first: $first) {edges {cursor}}}"

    [error] = await refused(shop, {"query": by_variable, "variables": {"first": first}})
    assert error["message"] == "first is a number from 1 to 100."
    [error] = await refused(shop, {"query": f"{{products(first: {int(first)}) {{edges {{cursor}}}}}}"})
    assert error["extensions"] == {"code": "BAD_USER_INPUT"}


async def test_a_page_size_in_a_variable_or_its_default_counts_like_any_other(shop: Shop) -> None:
    lists = "{a: products(first: $first) {edges {cursor}} b: products(first: $first) {edges {cursor}}}"

    for query in (f"query ($first: Int!) {lists}", f"query ($first: Int! = 51) {lists}"):
        [error] = await refused(shop, {"query": query, "variables": {"first": 51} if "51" not in query else None})
        assert "at most 100 products in its answer; this query has 102" in error["message"]


NOT_VALID = {
    "no GraphQL": ("SELECT 1", "GRAPHQL_PARSE_FAILED"),
    "nothing": (" ", "GRAPHQL_PARSE_FAILED"),
    "cut off": ("{product(", "GRAPHQL_PARSE_FAILED"),
    "too many tokens": ("{" + "a " * 500 + "}", "GRAPHQL_PARSE_FAILED"),
    "a string that is not closed": ('{product(sku: "', "GRAPHQL_PARSE_FAILED"),
    "half a character as an escape": ('{product(sku: "\\uD800") {sku}}', "GRAPHQL_PARSE_FAILED"),
    "braces a thousand deep": ("{a" * 249, "BAD_USER_INPUT"),
    "a list hundreds deep": ("{products(search: " + "[" * 490, "BAD_USER_INPUT"),
    "a fragment cycle": (single("...a") + "fragment a on Product {...a}", "BAD_USER_INPUT"),
    "a long fragment cycle": (
        single("...a") + "fragment a on Product {...b} fragment b on Product {...a}",
        "BAD_USER_INPUT",
    ),
    "two fragments of one name, of which one is dear": (
        single("...f") + "fragment f on Product {" + "sku " * 400 + "} fragment f on Product {sku}",
        "BAD_USER_INPUT",
    ),
    "several operations": ("query a {__typename} query b {__typename}", "BAD_USER_INPUT"),
    "fragments alone": ("fragment a on Product {sku}", "BAD_USER_INPUT"),
    "a mutation": ("mutation {a}", "BAD_USER_INPUT"),
    "a subscription": ("subscription {a}", "BAD_USER_INPUT"),
    "a definition of a type": ("type A {b: Int}", "BAD_USER_INPUT"),
    "introspection": ("{__schema {types {name}}}", "BAD_USER_INPUT"),
    "introspection of a type, in a fragment": (
        '{...f} fragment f on Query {__type(name: "Product") {name}}',
        "BAD_USER_INPUT",
    ),
    "an unknown field": (single("margin"), "GRAPHQL_VALIDATION_FAILED"),
    "a field whose name is thousands of letters": (single("x" * 5_000), "GRAPHQL_VALIDATION_FAILED"),
    "an unknown fragment": (single("...f"), "GRAPHQL_VALIDATION_FAILED"),
    "an unknown directive": (single("sku @defer"), "GRAPHQL_VALIDATION_FAILED"),
    "an unused fragment": (single("sku") + "fragment f on Product {sku}", "GRAPHQL_VALIDATION_FAILED"),
    "fields that exclude each other": (single("a: sku a: name"), "GRAPHQL_VALIDATION_FAILED"),
    "a number that Int does not hold": ("{products(first: 99999999999) {edges {cursor}}}", "GRAPHQL_VALIDATION_FAILED"),
    "a list for text": (
        "{products(search: " + "[" * 100 + "]" * 100 + ") {edges {cursor}}}",
        "GRAPHQL_VALIDATION_FAILED",
    ),
    "NUL in text": ('{products(search: "\\u0000") {edges {cursor}}}', "BAD_USER_INPUT"),
    "NUL in a SKU": ('{product(sku: "A\\u0000") {sku}}', "BAD_USER_INPUT"),
    "NUL in a category": ('{products(category: "\\u0000") {edges {cursor}}}', "BAD_USER_INPUT"),
    "a long search": (f'{{products(search: "{"tea " * 51}") {{edges {{cursor}}}}}}', "BAD_USER_INPUT"),
}


async def test_a_query_that_is_not_valid_is_refused_with_a_reason(shop: Shop) -> None:
    for case, (query, code) in NOT_VALID.items():
        errors = await refused(shop, {"query": query})

        assert {error["extensions"]["code"] for error in errors} == {code}, case
        assert all(0 < len(error["message"]) <= 300 for error in errors), case


async def test_a_flood_of_mistakes_is_answered_with_a_few_of_them(shop: Shop) -> None:
    errors = await refused(shop, {"query": single(" ".join(f"field{at}" for at in range(100)))})

    assert len(errors) == 6
    assert errors[-1]["message"].startswith("Too many validation errors")


DIGITS = st.sampled_from([1, 10, 11, 4300, 4301, 7000]).map("9".__mul__)
"""Python makes no number of more than 4300 digits of a text: https://docs.python.org/3/library/stdtypes.html#int-max-str-digits"""
NUMBERS = st.builds(
    "{}{}{}".format, st.sampled_from(["", "-", "+"]), DIGITS, st.sampled_from(["", ".5", "e400", "E-400"])
)
ESCAPES = st.sampled_from(
    ["\\u0000", "\\uD800", "\\uDC00\\uD800", "\\u{D800}", "\\u{110000}", "\\u{9999999999}", "\\q"]
)
CHARACTERS = st.one_of(ESCAPES, st.characters(codec="utf-8", exclude_characters="\0"), st.just("tea"))
STRINGS = st.lists(CHARACTERS, max_size=6).map("".join)
LITERALS = st.recursive(
    st.one_of(
        NUMBERS,
        STRINGS.map('"{}"'.format),
        STRINGS.map('"""{}"""'.format),
        st.sampled_from(["null", "true", "TRUE", "$unknown", "1 2", ""]),
    ),
    lambda inner: st.one_of(inner.map("[{}]".format), inner.map("{{a: {}}}".format)),
    max_leaves=20,
)
PLACES = [
    "{products(first: %s) {edges {cursor}}}",
    "{products(search: %s) {edges {cursor}}}",
    "{products(category: %s) {edges {cursor}}}",
    "{products(after: %s) {edges {cursor}}}",
    "{products(unknown: %s) {edges {cursor}}}",
    "{product(sku: %s) {sku}}",
    "{__typename @include(if: %s)}",
    "query ($first: Int = %s) {products(first: $first) {edges {cursor}}}",
    "query ($sku: String = %s) {products(search: $sku) {edges {cursor}}}",
    "query ($shown: Boolean! = %s) {__typename @skip(if: $shown)}",
]


def test_whatever_literal_is_written_is_answered_or_refused_in_the_form_of_graphql(
    settings: CatalogSettings, tokens: Issuer
) -> None:
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        shop = runner.run(stack.enter_async_context(opened(settings, tokens)))

        @effort(max_examples=150, deadline=None, derandomize=True)
        @given(st.sampled_from(PLACES), LITERALS)
        def check(place: str, literal: str) -> None:
            answer = runner.run(shop.query(place % literal))
            assert answer.status_code in (200, 400), answer.text
            assert answer.json().keys() <= {"data", "errors"}, answer.text
            for error in answer.json().get("errors", ()):
                assert "set_int_max_str_digits" not in error["message"]

        try:
            check()
        finally:
            runner.run(stack.aclose())


@pytest.mark.parametrize("digits", [4301, 5000])
async def test_a_number_of_thousands_of_digits_is_no_int(shop: Shop, digits: int) -> None:
    [error] = await refused(shop, {"query": f"{{products(first: {'9' * digits}) {{edges {{cursor}}}}}}"})

    assert error["extensions"] == {"code": "GRAPHQL_VALIDATION_FAILED"}
    assert error["message"].startswith("Expected value of type 'Int!', found 999")
    assert error["locations"] == [{"line": 1, "column": 18}]


WRONG_VARIABLES: dict[str, tuple[Any, str]] = {
    "a missing one": ({}, "'$sku' of required type 'String!' was not provided"),
    "null": ({"sku": None}, "must not be null"),
    "another type": ({"sku": 1}, "String cannot represent a non string value: 1"),
    "a truth value": ({"sku": True}, "String cannot represent"),
    "a number that is none": ({"sku": float("nan")}, "String cannot represent"),
}


@pytest.mark.parametrize(("variables", "reason"), WRONG_VARIABLES.values(), ids=WRONG_VARIABLES.keys())
async def test_wrong_variables_are_refused_with_a_reason(shop: Shop, variables: Any, reason: str) -> None:
    body = {"query": "query ($sku: String!) {product(sku: $sku) {sku}}", "variables": variables}
    answer = await shop.public.post("/graphql", content=json.dumps(body), headers={"Content-Type": "application/json"})

    assert answer.status_code == 400, answer.text
    [error] = answer.json()["errors"]
    assert reason in error["message"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT"}


async def test_null_for_a_page_size_is_refused(shop: Shop) -> None:
    query = "query ($first: Int = 5) {products(first: $first) {edges {cursor}}}"

    [error] = await refused(shop, {"query": query, "variables": {"first": None}})

    assert "must not be null" in error["message"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT"}


async def test_the_name_of_the_operation_must_be_right_when_it_is_given(shop: Shop) -> None:
    for query, name in (("query a {__typename}", "b"), ("{__typename}", "a")):
        [error] = await refused(shop, {"query": query, "operationName": name})
        assert error["message"] == "operationName is not that of the operation."

    answer = await shop.public.post("/graphql", json={"query": "query a {__typename}", "operationName": "a"})
    assert answer.json() == {"data": {"__typename": "Query"}}


UNFIT_BODIES: dict[str, tuple[bytes, int, str | None]] = {
    "a batch": (b'[{"query": "{__typename}"}, {"query": "{__typename}"}]', 422, "/body"),
    "no query": (b"{}", 422, "/body/query"),
    "an empty query": (b'{"query": ""}', 422, "/body/query"),
    "a long query": (json.dumps({"query": "#" * 8_001}).encode(), 422, "/body/query"),
    "a query that is a list": (b'{"query": ["{__typename}"]}', 422, "/body/query"),
    "NUL": (b'{"query": "{__typename}\\u0000"}', 422, "/body/query"),
    "half a character": (b'{"query": "{__typename} #\\ud800"}', 422, "/body/query"),
    "half a character in a variable": (b'{"query": "{__typename}", "variables": {"a": "\\ud800"}}', 422, None),
    "a persisted query": (b'{"query": "{__typename}", "extensions": {"persistedQuery": {}}}', 422, "/body/extensions"),
    "variables that are a list": (b'{"query": "{__typename}", "variables": []}', 422, "/body/variables"),
    "variables that are objects": (b'{"query": "{__typename}", "variables": {"a": {"b": 1}}}', 422, None),
    "variables nested hundreds deep": (
        b'{"query": "{__typename}", "variables": {"a": ' + b"[" * 500 + b"]" * 500 + b"}}",
        422,
        None,
    ),
    "many variables": (
        json.dumps({"query": "{__typename}", "variables": {f"v{at}": 1 for at in range(51)}}).encode(),
        422,
        "/body/variables",
    ),
    "no UTF-8": (b'{"query": "{__typename} #\xff"}', 400, None),
    "cut off": (b'{"query": "', 400, None),
    "a number of thousands of digits": (
        b'{"query": "{__typename}", "variables": {"a": ' + b"9" * 5_000 + b"}}",
        400,
        None,
    ),
    "lists thousands deep": (b'{"query": ' + b"[" * 100_000, 400, None),
    "more than 1 MiB": (json.dumps({"query": "#" * 2**20}).encode(), 413, None),
}


@pytest.mark.parametrize(("body", "status", "pointer"), UNFIT_BODIES.values(), ids=UNFIT_BODIES.keys())
async def test_a_body_that_is_no_query_is_a_problem_like_everywhere(
    shop: Shop, body: bytes, status: int, pointer: str | None
) -> None:
    problem = assert_problem(await _post(shop, body), status)

    if pointer is not None:
        assert [error["pointer"] for error in problem["errors"]] == [pointer]


async def test_only_json_is_read_and_only_by_post(shop: Shop) -> None:
    assert_problem(await _post(shop, b"{__typename}", "application/graphql"), 415)
    assert_problem(await _post(shop, b"query={__typename}", "application/x-www-form-urlencoded"), 415)
    assert_problem(await shop.public.get("/graphql", params={"query": "{__typename}"}), 405)


async def test_a_client_that_knows_the_media_type_of_graphql_gets_it(shop: Shop) -> None:
    headers = {"Accept": "application/graphql-response+json, application/json;q=0.9"}

    for query, status in (("{__typename}", 200), ("{", 400)):
        answer = await shop.public.post("/graphql", json={"query": query}, headers=headers)
        assert answer.status_code == status
        assert answer.headers["Content-Type"] == "application/graphql-response+json"


async def _post(shop: Shop, body: bytes, media_type: str = "application/json") -> httpx.Response:
    return await shop.public.post("/graphql", content=body, headers={"Content-Type": media_type})
