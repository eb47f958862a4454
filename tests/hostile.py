"""Requests that a parser may stumble over, in every place where an interface reads one.

schemathesis makes requests of values: numbers that fit into Python, texts that are Unicode. Here are those that only a
text of JSON, a target or a header can hold.
"""

import asyncio
import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st

LITERALS = [
    *("9" * 4_300, "9" * 4_301, "-" + "9" * 5_000, "1e400", "-1e400", "1e-400", "0.1e1", "1." + "0" * 5_000),
    *("NaN", "Infinity", "-Infinity", "-0", "-0.0", "01", "0x1", "1_000", "true", "null", "'a'", "", "\ufeff1"),
    *(r'"\ud800"', r'"\udc00\ud800"', r'"\u0000"', r'"\ud83d\ude00"', r'"\x00"', '"a\nb"', '"\u202e"', '"\u2028"'),
    *(
        '"٣"',
        '"\uff11"',
        '" 1 "',
        '"1e400"',
        '"0001-01-01T00:00:00+14:00"',
        '"9999-12-31T23:59:59-14:00"',
        '"' + "a" * 5_000,
    ),
    *(
        "[" * 500 + "]" * 500,
        "[" * 100_000,
        '{"a":' * 500 + "1" + "}" * 500,
        '{"a": 1, "a": 2}',
        "[1,]",
        "{,}",
        "//",
        "1 2",
    ),
]
"""Of JSON, or not quite."""
WORDS = [
    *("", "0", "-1", "9" * 19, "9" * 5_000, "1e400", "NaN", "%D9%A3", "%EF%BC%91", "+1", "1_0", "0x1", "null", "true"),
    *(
        "%00",
        "%FF",
        "%ED%A0%80",
        "%F0%9F%98%80",
        "%E2%80%AE",
        "%0A",
        "%25",
        "%",
        "%zz",
        "..",
        "%2F",
        "%2e%2e",
        "a" * 5_000,
    ),
    *("{00000000-0000-0000-0000-000000000000}", "urn:uuid:00000000-0000-0000-0000-000000000000", "0" * 32),
]
"""Of a target; as they are sent."""
VALUES = [
    *(
        b"",
        b"*",
        b'"',
        b'W/"',
        b'""',
        b",,,",
        b"\xff\xfe",
        b"\xed\xa0\x80",
        "٣".encode(),
        b"9" * 5_000,
        b"a" * 15_000,
        b"\t",
    ),
    *(b"Bearer", b"Bearer .", b"Bearer a.b.c", b"Bearer \xff.\xff.\xff", b"Basic \xff", b"Bearer " + b"e30." * 3),
    *(
        b"application/json; charset=\xff",
        b"application/json; charset=utf-7",
        b";;;",
        b"multipart/form-data",
        b"text/plain",
    ),
    *(b"00-" + b"f" * 32 + b"-" + b"f" * 16 + b"-ff", b"a=" + b"%" * 100),
]
"""Of a header."""
HEADERS = ["accept", "authorization", "baggage", "content-type", "content-encoding", "if-match", "if-none-match"]
HEADERS += ["idempotency-key", "traceparent", "tracestate", "x-request-id", "cookie", "range", "expect"]


@dataclass(frozen=True, kw_only=True)
class Request:
    method: str
    target: str
    headers: dict[str, bytes]
    body: bytes


def assert_nothing_breaks(app: FastAPI, token: str, *, examples: int = 60) -> None:
    """Whatever is sent, no answer is a 500, and what is refused is refused with a problem. Opens the application."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        runner.run(stack.enter_async_context(app.router.lifespan_context(app)))

        @settings(max_examples=examples, deadline=None, derandomize=True)
        @given(_requests(app.openapi(), token))
        def check(request: Request) -> None:
            status, media_type, body = runner.run(_answer(app, request))
            assert status != 500, request
            assert status < 400 or "json" in media_type, request
            assert not any(internal in body for internal in ("Traceback", "set_int_max_str_digits", ".py")), request

        try:
            check()
        finally:
            runner.run(stack.aclose())


def _requests(document: Mapping[str, Any], token: str) -> st.SearchStrategy[Request]:
    operations: list[tuple[str, str, Mapping[str, Any]]] = [
        (method, path, operation) for path, each in document["paths"].items() for method, operation in each.items()
    ]
    names = sorted(set(_names(document["components"]["schemas"])))
    return st.sampled_from(operations).flatmap(lambda each: _request(each[0], each[1], each[2], names, token))


def _request(
    method: str, path: str, operation: Mapping[str, Any], names: list[str], token: str
) -> st.SearchStrategy[Request]:
    parameters = operation.get("parameters", ())
    word = st.sampled_from(WORDS)
    segments = [word if part.startswith("{") else st.just(part) for part in path.split("/")]
    asked = [each["name"] for each in parameters if each["in"] == "query"] + ["unknown", "%FF"]
    query = st.lists(st.builds("{}={}".format, st.sampled_from(asked), st.one_of(word, _CURSORS)), max_size=3)
    told = sorted({*HEADERS, *(each["name"].lower() for each in parameters if each["in"] == "header")})
    headers = st.dictionaries(st.sampled_from(told), st.sampled_from(VALUES), max_size=3)
    good = {"authorization": f"Bearer {token}".encode(), "content-type": b"application/json", "idempotency-key": b"k"}
    return st.builds(
        Request,
        method=st.just(method.upper()),
        target=st.builds("{}?{}".format, st.tuples(*segments).map("/".join), query.map("&".join)),
        headers=headers.map(lambda chosen: good | chosen),
        body=_documents(names).map(str.encode) if "requestBody" in operation else st.just(b""),
    )


def _documents(names: list[str]) -> st.SearchStrategy[str]:
    """Texts with the members that the interface knows, and such that nobody does."""
    key = st.one_of(st.sampled_from(names).map(json.dumps), st.sampled_from([r'"\ud800"', r'"\u0000"', '""', "1"]))
    leaf = st.one_of(st.sampled_from(LITERALS), st.sampled_from(['"TEA"', "1", '"EUR"']))
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.lists(st.builds("{}: {}".format, key, inner), max_size=4).map(
                lambda members: f"{{{', '.join(members)}}}"
            ),
            st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        ),
        max_leaves=8,
    )


_CURSORS = st.sampled_from(LITERALS).map(
    lambda literal: base64.urlsafe_b64encode(literal[:700].encode()).decode().rstrip("=")
)


def _names(schema: object) -> Iterator[str]:
    """Of every member that a schema describes."""
    match schema:
        case dict():
            properties = schema.get("properties")
            yield from properties if isinstance(properties, dict) else ()
            for each in schema.values():
                yield from _names(each)
        case list():
            for each in schema:
                yield from _names(each)


async def _answer(app: FastAPI, request: Request) -> tuple[int, str, str]:
    """Status, media type and body. By ASGI itself: a client would mend the target."""
    raw_path, _, query = request.target.partition("?")
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": unquote(raw_path),
        "raw_path": raw_path.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value) for name, value in request.headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    sent: list[Any] = []
    body = iter([{"type": "http.request", "body": request.body, "more_body": False}])

    async def receive() -> Any:
        return next(body, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    headers = {name.lower(): value for name, value in sent[0]["headers"]}
    text = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], headers.get(b"content-type", b"").decode(), text.decode()
