import json
import re
from base64 import urlsafe_b64encode
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import pytest
from chassis.models import RequestModel
from chassis.pages import DEFAULT_LIMIT, MAX_LIMIT, Cursor, CursorText, Limit, Page
from chassis.problems import Problem
from fastapi import APIRouter
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.tests.applications import application, served


class Key(NamedTuple):
    moment: datetime
    identity: UUID


by_time = Cursor(Key)
by_number = Cursor(int)


@given(st.datetimes(timezones=st.just(UTC)), st.uuids())
def test_a_cursor_comes_back_as_the_key_it_was_made_of(moment: datetime, identity: UUID) -> None:
    key = Key(moment, identity)
    assert by_time.decode(by_time.encode(key)) == key


@given(st.text(max_size=200))
def test_no_text_whatever_is_more_than_a_bad_cursor(text: str) -> None:
    with suppress(Problem):
        assert isinstance(by_number.decode(text), int)


def test_no_cursor_is_the_start() -> None:
    assert by_time.decode(None) is None


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "!",
        "a",
        urlsafe_b64encode(b"not json").decode(),
        urlsafe_b64encode(json.dumps([1]).encode()).decode(),
        urlsafe_b64encode(json.dumps({"a": 1}).encode()).decode(),
        by_number.encode(7),
        by_time.encode(Key(datetime(2026, 1, 2, tzinfo=UTC), UUID(int=7)))[:-4],
    ],
)
def test_a_cursor_that_was_not_given_is_refused(bad: str) -> None:
    with pytest.raises(Problem) as refused:
        by_time.decode(bad)
    assert (refused.value.status, refused.value.title) == (400, "Invalid cursor")


def test_a_forged_cursor_brings_no_nul_into_a_query() -> None:
    by_name = Cursor(str)
    with pytest.raises(Problem):
        by_name.decode(by_name.encode("a\0b"))


@given(st.text())
def test_a_cursor_goes_into_a_query_as_it_is(key: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]+", Cursor(str).encode(key))


def test_one_row_too_many_says_that_more_follow() -> None:
    page = by_number.page([1, 2, 3], 2, lambda row: row)

    assert page.items == [1, 2]
    assert by_number.decode(page.next_cursor) == 2


@pytest.mark.parametrize("rows", [[], [1], [1, 2]])
def test_the_last_page_has_no_cursor(rows: list[int]) -> None:
    assert by_number.page(rows, 2, lambda row: row) == Page[int](items=rows, next_cursor=None)


class Item(RequestModel):
    number: int


def numbers() -> APIRouter:
    router = APIRouter()

    @router.get("/numbers")
    async def list_numbers(limit: Limit = DEFAULT_LIMIT, cursor: CursorText = None) -> Page[Item]:
        after = by_number.decode(cursor) or 0
        rows = [Item(number=number) for number in range(after + 1, 51)]
        return by_number.page(rows[: limit + 1], limit, lambda row: row.number)

    return router


async def test_a_caller_turns_all_pages_and_sees_every_item_once() -> None:
    seen: list[int] = []
    sizes: list[int] = []
    async with served(application(numbers())) as client:
        query: dict[str, str] = {}
        while True:
            page = (await client.get("/numbers", params=query)).json()
            sizes.append(len(page["items"]))
            seen += [item["number"] for item in page["items"]]
            if page["next_cursor"] is None:
                break
            query["cursor"] = page["next_cursor"]

    assert seen == list(range(1, 51))
    assert sizes == [20, 20, 10]


@pytest.mark.parametrize("limit", [0, MAX_LIMIT + 1, "many"])
async def test_a_limit_out_of_bounds_is_refused(limit: int | str) -> None:
    async with served(application(numbers())) as client:
        answer = await client.get("/numbers", params={"limit": limit})

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/query/limit"]
