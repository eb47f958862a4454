import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
import pytest
from chassis.app import MAX_BODY_BYTES
from chassis.database import Database
from chassis.models import RequestModel
from chassis.problems import Problem, problem_responses
from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from prometheus_client import REGISTRY
from pydantic import Field, SecretStr, field_validator
from sqlalchemy import text

from services.chassis.tests.applications import application, served
from tests.fixtures import FreshDatabase


class Line(RequestModel):
    sku: str
    quantity: int = Field(ge=1)

    @field_validator("sku")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value == "unknown":
            raise ValueError("there is no such thing")
        return value


class Order(RequestModel):
    lines: tuple[Line, ...] = ()
    note: str = ""
    password: SecretStr = SecretStr("")
    labels: dict[str, str] = Field(default_factory=dict)


class OutOfStockError(Exception):
    pass


class SoldOutError(OutOfStockError):
    pass


def orders() -> APIRouter:
    router = APIRouter()

    @router.post("/orders", status_code=201, responses=problem_responses(409, 413))
    async def place(order: Order) -> dict[str, int]:
        return {"lines": len(order.lines)}

    @router.put("/orders/{number}")
    async def change(number: int) -> None:
        pass

    @router.get("/orders/{number}")
    async def read(number: int, size: Annotated[int, Query(le=10)] = 1) -> dict[str, int]:
        return {"number": number, "size": size}

    @router.get("/breaking")
    async def break_off() -> StreamingResponse:
        async def parts() -> AsyncIterator[str]:
            yield "begun"
            raise RuntimeError("broken off")

        return StreamingResponse(parts())

    @router.get("/failing/{way}")
    async def fail(way: str) -> None:
        match way:
            case "problem":
                headers = {"Retry-After": "7"}
                raise Problem(409, "Taken", "Somebody was faster.", type="/taken", headers=headers, by="bob")
            case "domain":
                raise SoldOutError("no apples left")
            case _:
                raise RuntimeError("the secret is hunter2")

    return router


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with served(application(orders(), errors={OutOfStockError: (409, "Out of stock")})) as client:
        yield client


def problem_of(answer: httpx.Response) -> dict[str, Any]:
    """The problem's document without what every problem has, which is checked here."""
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document.pop("status") == answer.status_code
    assert document.pop("type") == "about:blank"
    return document


async def test_a_route_that_is_not_there_is_a_problem(client: httpx.AsyncClient) -> None:
    answer = await client.get("/nowhere")

    assert answer.status_code == 404
    assert problem_of(answer) == {"title": "Not Found"}


async def test_a_method_that_is_not_there_is_a_problem_that_names_the_others(client: httpx.AsyncClient) -> None:
    answer = await client.delete("/orders/1")

    assert answer.status_code == 405
    assert problem_of(answer) == {"title": "Method Not Allowed"}
    assert answer.headers["allow"] == "GET, PUT"
    assert (await client.post("/livez")).headers["allow"] == "GET"


async def test_a_slash_too_many_is_not_redirected(client: httpx.AsyncClient) -> None:
    assert (await client.get("/orders/1/")).status_code == 404


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"{", "The body is not JSON: Expecting property name enclosed in double quotes at character 1."),
        (b"no json", "The body is not JSON: Expecting value at character 0."),
        (b'{"note": "\xff"}', "There was an error parsing the body"),
        (b"[" * 100_000, "There was an error parsing the body"),
        (b'{"lines": ' + b"1" * 5000 + b"}", "There was an error parsing the body"),
    ],
    ids=["unfinished", "text", "not UTF-8", "too deep", "a number too long"],
)
async def test_a_body_that_is_no_json_is_a_bad_request(client: httpx.AsyncClient, body: bytes, detail: str) -> None:
    answer = await client.post("/orders", content=body, headers={"content-type": "application/json"})

    assert answer.status_code == 400
    assert problem_of(answer) == {"title": "Bad Request", "detail": detail}


@pytest.mark.parametrize("headers", [{}, {"content-type": "application/x-www-form-urlencoded"}])
async def test_a_body_of_another_media_type_is_refused(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    answer = await client.post("/orders", content=b"{}", headers=headers)

    assert answer.status_code == 415
    assert problem_of(answer)["detail"] == "Send the body as application/json."


async def test_an_invalid_request_names_every_place_that_is_wrong(client: httpx.AsyncClient) -> None:
    body = {
        "lines": [{"sku": "apple", "quantity": -1}, {"quantity": 1, "price/~": 3}, {"sku": "unknown", "quantity": 1}],
        "gift": True,
    }

    answer = await client.post("/orders", json=body)

    assert answer.status_code == 422
    assert problem_of(answer) == {
        "title": "Invalid request",
        "detail": "The request does not fit its schema.",
        "errors": [
            {"pointer": "/body/lines/0/quantity", "detail": "Input should be greater than or equal to 1"},
            {"pointer": "/body/lines/1/sku", "detail": "Field required"},
            {"pointer": "/body/lines/1/price~1~0", "detail": "Extra inputs are not permitted"},
            {"pointer": "/body/lines/2/sku", "detail": "there is no such thing"},
            {"pointer": "/body/gift", "detail": "Extra inputs are not permitted"},
        ],
    }


async def test_an_invalid_path_and_query_are_named_too(client: httpx.AsyncClient) -> None:
    answer = await client.get("/orders/one", params={"size": 11})

    pointers = [error["pointer"] for error in problem_of(answer)["errors"]]
    assert (answer.status_code, pointers) == (422, ["/path/number", "/query/size"])


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (rb'{"note": "a\u0000b"}', "/body/note"),
        (rb'{"note": "a\ud800b"}', "/body/note"),
        (rb'{"password": "a\u0000b"}', "/body/password"),
        (rb'{"lines": [{"sku": "\u0000", "quantity": 1}]}', "/body/lines/0/sku"),
        (rb'{"labels": {"colour": "\u0000"}}', "/body/labels"),
        (rb'{"labels": {"\u0000": "red"}}', "/body/labels"),
    ],
)
async def test_text_that_no_database_keeps_is_refused(client: httpx.AsyncClient, body: bytes, pointer: str) -> None:
    answer = await client.post("/orders", content=body, headers={"content-type": "application/json"})

    assert answer.status_code == 422
    assert problem_of(answer)["errors"] == [
        {"pointer": pointer, "detail": "must not contain NUL characters or lone surrogates"}
    ]


@pytest.mark.parametrize("note", ["\u00fc\U0001f600", "a\\u0000b", "\n\t\x01"])
async def test_other_text_is_taken(client: httpx.AsyncClient, note: str) -> None:
    assert (await client.post("/orders", json={"note": note})).status_code == 201


@pytest.mark.parametrize(("url", "pointer"), [("/orders/1?size=%00", "/query"), ("/failing/%00", "/path")])
async def test_nul_characters_in_an_address_are_refused(client: httpx.AsyncClient, url: str, pointer: str) -> None:
    answer = await client.get(url)

    assert answer.status_code == 422
    assert problem_of(answer)["errors"] == [{"pointer": pointer, "detail": "must not contain NUL characters"}]


async def test_an_escaped_percent_sign_is_not_taken_for_nul(client: httpx.AsyncClient) -> None:
    assert (await client.get("/orders/1?other=%2500")).status_code == 200


async def test_an_unknown_field_without_a_printable_name_is_refused_too(client: httpx.AsyncClient) -> None:
    answer = await client.post("/orders", content=rb'{"\ud800": 1}', headers={"content-type": "application/json"})

    assert answer.status_code == 422
    assert [error["pointer"] for error in problem_of(answer)["errors"]] == ["/body"]


@pytest.mark.parametrize(("header_bytes", "status"), [(16_000, 200), (16_500, 431)])
async def test_headers_have_a_bound(client: httpx.AsyncClient, header_bytes: int, status: int) -> None:
    in_headers = await client.get("/orders/1", headers={"X-Long": "x" * header_bytes})
    in_target = await client.get("/orders/1", params={"other": "x" * header_bytes})

    assert (in_headers.status_code, in_target.status_code) == (status, status)


async def test_who_sends_too_many_headers_is_told_the_bound(client: httpx.AsyncClient) -> None:
    answer = await client.get("/orders/1", headers=[(f"X-{number}", "") for number in range(2_000)])

    title = "Request Header Fields Too Large"
    assert problem_of(answer) == {"title": title, "detail": "The headers may have at most 16384 bytes."}


async def chunks(size_bytes: int) -> AsyncIterator[bytes]:
    """A JSON body of this size, without a length announced."""
    yield b'{"note": "'
    for start in range(12, size_bytes, 65536):
        yield b"a" * min(65536, size_bytes - start)
    yield b'"}'


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_of_one_mebibyte_is_taken_and_one_more_byte_is_not(
    client: httpx.AsyncClient, announced: bool
) -> None:
    for size_bytes, status in ((MAX_BODY_BYTES, 201), (MAX_BODY_BYTES + 1, 413)):
        headers = {"content-type": "application/json"}
        if announced:
            headers["content-length"] = str(size_bytes)
        answer = await client.post("/orders", content=chunks(size_bytes), headers=headers)
        assert answer.status_code == status

    problem = {"title": "Content Too Large", "detail": "A body may have at most 1048576 bytes."}
    assert problem_of(answer) == problem


async def test_a_body_that_is_too_large_is_not_read_to_its_end(client: httpx.AsyncClient) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 65536
            yield b" " * 65536

    answer = await client.post("/orders", content=endless(), headers={"content-type": "application/json"})

    assert answer.status_code == 413
    assert taken == MAX_BODY_BYTES + 65536


async def test_a_problem_is_answered_as_it_was_raised(client: httpx.AsyncClient) -> None:
    answer = await client.get("/failing/problem")

    assert answer.status_code == 409
    assert answer.headers["retry-after"] == "7"
    assert answer.json() == {
        "type": "/taken",
        "title": "Taken",
        "status": 409,
        "detail": "Somebody was faster.",
        "by": "bob",
    }


async def test_a_domain_error_is_answered_as_the_service_says_and_so_are_its_kinds(client: httpx.AsyncClient) -> None:
    answer = await client.get("/failing/domain")

    assert answer.status_code == 409
    assert problem_of(answer) == {"title": "Out of stock", "detail": "no apples left"}


async def test_an_unexpected_error_tells_its_request_id_and_nothing_else(client: httpx.AsyncClient) -> None:
    answer = await client.get("/failing/unexpectedly", headers={"X-Request-Id": "here-1"})

    assert answer.status_code == 500
    assert problem_of(answer) == {"title": "Internal Server Error", "request_id": "here-1"}
    assert answer.headers["x-request-id"] == "here-1"


async def test_an_answer_that_breaks_after_it_began_is_left_to_the_server_to_cut_off(
    client: httpx.AsyncClient,
) -> None:
    with pytest.raises(RuntimeError, match="broken off"):
        await client.get("/breaking")


@pytest.mark.parametrize("given", ["a", "1-5759e988-bd862e3fe1be46a994272793", "Root=1-67:a/b+c_d.e", "x" * 128])
async def test_a_sane_request_id_is_kept(client: httpx.AsyncClient, given: str) -> None:
    answer = await client.get("/orders/1", headers={"X-Request-Id": given})

    assert answer.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "two words", '{"a":1}', "x" * 129, "ü"])
async def test_another_request_id_is_replaced(client: httpx.AsyncClient, given: str) -> None:
    answer = await client.get("/orders/1", headers=[(b"X-Request-Id", given.encode())])

    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", answer.headers["x-request-id"])


async def test_requests_are_counted_by_method_route_and_status(client: httpx.AsyncClient) -> None:
    def count(**labels: str) -> float:
        return REGISTRY.get_sample_value("http_requests_total", labels) or 0

    def timed(**labels: str) -> float:
        return REGISTRY.get_sample_value("http_request_duration_seconds_count", labels) or 0

    good = {"method": "GET", "route": "/orders/{number}", "status": "200"}
    strange = {"method": "other", "route": "unmatched", "status": "404"}
    before = count(**good), timed(**good), count(**strange)

    await client.get("/orders/1")
    await client.get("/orders/2")
    await client.request("BREW", "/coffee")

    assert (count(**good), timed(**good), count(**strange)) == (before[0] + 2, before[1] + 2, before[2] + 1)


async def test_the_metrics_are_served_and_the_probes_are_not_among_them(client: httpx.AsyncClient) -> None:
    for path in ("/livez", "/readyz", "/openapi.json", "/metrics"):
        assert (await client.get(path)).status_code == 200

    answer = await client.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "http_request_duration_seconds_bucket" in answer.text
    assert not re.search(r'route="/(livez|readyz|openapi.json|metrics)"', answer.text)


async def test_the_document_describes_problems_and_hides_the_probes(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()

    assert sorted(document["paths"]) == ["/breaking", "/failing/{way}", "/orders", "/orders/{number}"]
    responses = document["paths"]["/orders"]["post"]["responses"]
    assert {status: response["description"] for status, response in responses.items()} == {
        "201": "Successful Response",
        "409": "Conflict",
        "413": "Content Too Large",
        "default": "A problem.",
    }
    for status in ("409", "413", "default"):
        schema = responses[status]["content"]["application/problem+json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/Problem"}
    assert document["components"]["schemas"]["Problem"]["required"] == ["type", "title", "status"]
    assert json.dumps(document) == json.dumps((await client.get("/openapi.json")).json())


async def test_a_service_is_ready_while_its_database_answers(fresh_database: FreshDatabase) -> None:
    database = Database(fresh_database.url, password=fresh_database.password)
    async with served(application(database=database)) as client:
        assert (await client.get("/readyz")).status_code == 200


async def test_a_service_without_its_database_is_alive_but_not_ready_and_answers_503(unused_tcp_port: int) -> None:
    database = Database(f"postgresql://a@127.0.0.1:{unused_tcp_port}/a", password="a")
    router = APIRouter()

    @router.get("/rows")
    async def rows() -> None:
        async with database.connection() as connection:
            await connection.execute(text("SELECT 1"))

    async with served(application(router, database=database)) as client:
        assert (await client.get("/livez")).status_code == 200
        ready = await client.get("/readyz")
        answer = await client.get("/rows")

    assert ready.status_code == 503
    assert problem_of(ready) == {"title": "Service Unavailable", "detail": "The database does not answer."}
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert problem_of(answer) == {"title": "Service Unavailable", "detail": "The database is out of reach."}


async def test_one_request_after_another_does_not_inherit_its_id(client: httpx.AsyncClient) -> None:
    ids = await asyncio.gather(*(client.get("/orders/1") for _ in range(5)))

    assert len({answer.headers["x-request-id"] for answer in ids}) == 5
