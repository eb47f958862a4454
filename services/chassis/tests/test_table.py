"""What a service may expect of its table, on the emulator's DynamoDB."""

import asyncio
import itertools
import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError
from chassis import table as module
from chassis.aws import AWS_ERRORS
from chassis.items import Item, Key, attributes_of, item_of
from chassis.settings import BadEnvironmentError
from chassis.table import MAX_WRITES, ConflictError, Table, TransactionTooLargeError
from fastapi import APIRouter
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.tests.applications import application, served, settings
from services.chassis.tests.flaky import Fault, flaky
from services.chassis.tests.items import keys, opened, refusal
from tests.fixtures import Emulator

ADA = Key("person#ada", "1")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**37), 10**37) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1), inner, max_size=3),
    max_leaves=8,
)


async def put(table: Table, *items: Item, if_absent: bool = False) -> None:
    async with table.transaction() as tx:
        for item in items:
            tx.put(item, if_absent=if_absent)


async def delete(table: Table, key: Key, *, if_present: bool) -> None:
    async with table.transaction() as tx:
        tx.delete(key, if_present=if_present)


def item(key: Key = ADA, **attributes: Any) -> Item:
    return {"pk": key.pk, "sk": key.sk} | attributes


@given(st.dictionaries(st.text(min_size=1), VALUES, max_size=4))
def test_an_item_comes_back_from_its_attributes_as_it_was(values: dict[str, Any]) -> None:
    assert item_of(json.loads(json.dumps(attributes_of(values)))) == values


@pytest.mark.parametrize("value", [1.5, b"1", {"set"}])
def test_what_dynamodb_would_change_is_no_value(value: Any) -> None:
    with pytest.raises(TypeError, match=type(value).__name__):
        attributes_of({"value": value})


async def test_what_was_put_is_there_and_nothing_else(table: Table) -> None:
    whole = item(name="Ada", number=-3, none=None, yes=True, lines=[{"sku": "TEA"}, []], empty="")

    await put(table, whole)

    assert await table.get(ADA) == whole
    assert await table.get(Key(ADA.pk, "2")) is None
    assert await table.get_many([ADA, Key("person#bob", "1"), ADA]) == {ADA: whole}
    assert await table.get_many([]) == {}


async def test_a_transaction_writes_all_at_its_end(table: Table) -> None:
    await put(table, item(number=1))
    async with table.transaction() as tx:
        tx.put(item(Key("b", "1")))
        tx.delete(ADA)
        assert keys(table) == {ADA}
    assert keys(table) == {("b", "1")}


async def test_a_transaction_reads_what_it_has_put_and_what_it_has_deleted(table: Table) -> None:
    await put(table, item(number=1), item(Key("b", "1")))
    async with table.transaction() as tx:
        tx.put(item(number=2))
        tx.delete(Key("b", "1"))
        assert await tx.get(ADA) == item(number=2)
        assert await tx.get(Key("b", "1")) is None
        assert await table.get(ADA) == item(number=1)


async def test_a_transaction_that_raises_writes_nothing(table: Table) -> None:
    async def put_and_fail() -> None:
        async with table.transaction() as tx:
            tx.put(item())
            raise LookupError

    with pytest.raises(LookupError):
        await put_and_fail()
    assert keys(table) == set()


async def test_a_condition_that_does_not_hold_is_named_and_nothing_is_written(table: Table) -> None:
    await put(table, item())
    other, gone = item(Key("b", "1")), Key("c", "1")

    with pytest.raises(ConflictError) as there:
        await put(table, other, item(), if_absent=True)
    with pytest.raises(ConflictError) as missing:
        await delete(table, gone, if_present=True)

    assert there.value.refused | missing.value.refused == {ADA, gone}
    assert keys(table) == {ADA}


async def test_of_many_at_the_same_time_one_puts_what_was_absent(table: Table) -> None:
    outcomes = await asyncio.gather(
        *(put(table, item(number=number), if_absent=True) for number in range(8)), return_exceptions=True
    )

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["ConflictError"] * 7 + ["NoneType"]


async def test_what_has_expired_is_gone_though_it_is_still_there(table: Table) -> None:
    await put(table, item(expires_at=int(time.time()) - 1), item(Key(ADA.pk, "2"), expires_at=int(time.time()) + 60))

    assert await table.get(ADA) is None
    assert [found["sk"] for found in await table.query(ADA.pk, limit=10)] == ["2"]
    await put(table, item(number=2), if_absent=True)
    assert await table.get(ADA) == item(number=2)


async def test_what_no_transaction_can_hold_is_refused(table: Table) -> None:
    with pytest.raises(TransactionTooLargeError):
        await put(table, *(item(Key("many", str(number))) for number in range(MAX_WRITES + 1)))
    with pytest.raises(ValueError, match="one write for each item"):
        await put(table, item(), item())
    with pytest.raises(ClientError, match="size"):
        await put(table, item(Key("b", "1")), item(text="x" * 400 * 1024))
    assert keys(table) == set()
    await put(table, *(item(Key("many", str(number))) for number in range(MAX_WRITES)))
    assert len(keys(table)) == MAX_WRITES


async def test_a_query_reads_one_partition_in_order_from_where_it_is_told(table: Table) -> None:
    await put(table, *(item(Key("p", f"{number}")) for number in range(5)), item(Key("q", "9")), item(Key("pp", "9")))

    async def found(**options: Any) -> str:
        return "".join(str(each["sk"]) for each in await table.query("p", **options))

    assert await found(limit=9) == "01234"
    assert await found(limit=2) == "01"
    assert await found(limit=2, descending=True) == "43"
    assert await found(limit=2, descending=True, before="3") == "21"
    assert await found(limit=9, descending=True, before="25") == "210"
    assert await found(limit=9, before="2") == "01"
    assert await found(limit=9, before="0") == ""


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5])
async def test_a_filtered_query_is_short_only_at_the_end(
    table: Table, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(module, "FILTER_PAGE_SIZE", 3)
    rare = {4, 11, 12, 19}
    await put(table, *(item(Key("p", f"{number:02}"), kind="rare" if number in rare else "") for number in range(20)))

    found = await table.query("p", limit=limit, descending=True, where={"kind": "rare"})

    assert [int(str(each["sk"])) for each in found] == sorted(rare, reverse=True)[:limit]


async def test_a_query_goes_on_behind_the_megabyte_at_which_dynamodb_stops(table: Table) -> None:
    for number in range(6):
        await put(table, item(Key("p", str(number)), text="x" * 300_000))

    assert [each["sk"] for each in await table.query("p", limit=6)] == list("012345")


async def test_a_lost_answer_does_not_make_a_write_a_conflict_with_itself(
    table: Table, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults: Iterator[Fault] = iter(["answer lost"])
    async with flaky(emulator.url, lambda: next(faults, "none")) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", url)
        async with opened(table.name) as unlucky:
            await put(unlucky, item(), if_absent=True)
    assert keys(table) == {ADA}


async def test_others_at_work_are_a_conflict_that_blames_no_condition(
    table: Table, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults: Iterator[Fault] = iter([refusal("TransactionCanceledException", "None", "TransactionConflict")])
    async with flaky(emulator.url, lambda: next(faults, "none")) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", url)
        async with opened(table.name) as unlucky:
            with pytest.raises(ConflictError) as conflict:
                await put(unlucky, item(), item(Key("b", "1")))
    assert conflict.value.refused == set()


@pytest.mark.parametrize(
    "answer",
    [
        lambda: refusal("TransactionCanceledException", "ConditionalCheckFailed", "ThrottlingError"),
        lambda: refusal("TransactionCanceledException", "ValidationError", "None"),
        lambda: refusal("ProvisionedThroughputExceededException"),
        lambda: "unavailable",
    ],
    ids=["throttled inside", "invalid inside", "throttled", "unavailable"],
)
async def test_a_refusal_or_an_outage_is_an_error_of_aws(
    table: Table, emulator: Emulator, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    async with flaky(emulator.url, answer) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", url)
        async with opened(table.name) as unlucky:
            with pytest.raises(AWS_ERRORS):
                await put(unlucky, item(), item(Key("b", "1")))


async def test_a_ping_waits_for_a_silent_server_no_longer_than_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PING_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", f"http://127.0.0.1:{silent.getsockname()[1]}")
        _credentials(monkeypatch)
        async with opened("any-table") as table:
            # The client's own time-out is later, and another error.
            with pytest.raises(TimeoutError):
                await table.ping()


async def test_a_table_that_is_not_there_does_not_answer(table: Table) -> None:
    await table.ping()
    async with opened("never-made") as missing:
        with pytest.raises(ClientError, match="ResourceNotFound"):
            await missing.ping()


async def test_a_table_that_is_not_open_says_so(table: Table) -> None:
    with pytest.raises(RuntimeError, match="not open"):
        await Table(table.name).get(ADA)


def test_a_service_is_told_its_table_by_the_environment() -> None:
    assert Table.from_settings(settings(table_name="shop-things")).name == "shop-things"
    with pytest.raises(BadEnvironmentError, match="TABLE_NAME"):
        Table.from_settings(settings())
    with pytest.raises(ValueError, match="table_name"):
        settings(table_name="no name")


def _router(table: Table) -> APIRouter:
    router = APIRouter()

    @router.get("/items")
    async def items() -> int:
        return len(await table.query("p", limit=1))

    return router


async def _ask(client: httpx.AsyncClient) -> tuple[int, int, int]:
    livez, readyz, answer = [await client.get(path) for path in ("/livez", "/readyz", "/items")]
    return livez.status_code, readyz.status_code, answer.status_code


async def test_a_service_is_ready_while_its_table_answers(table: Table) -> None:
    own = Table(table.name)
    async with served(application(_router(own), table=own)) as client:
        assert await _ask(client) == (200, 200, 200)


async def test_a_service_without_its_table_is_alive_but_not_ready_and_answers_503(
    unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", f"http://127.0.0.1:{unused_tcp_port}")
    _credentials(monkeypatch)
    table = Table("any-table")
    async with served(application(_router(table), table=table)) as client:
        assert await _ask(client) == (200, 503, 503)
        answer = await client.get("/items")
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["detail"] == "The database is out of reach."


async def test_too_much_to_do_is_an_outage_and_a_missing_table_is_a_bug(
    table: Table, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = itertools.chain(["ThrottlingException"] * 3, itertools.repeat("ResourceNotFoundException"))
    async with flaky(emulator.url, lambda: refusal(next(codes))) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", url)
        own = Table(table.name)
        async with served(application(_router(own), table=own)) as client:
            statuses = [(await client.get("/items")).status_code for _ in range(2)]
    assert statuses == [503, 500]


def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
