"""What clients may rely on at the edge, whichever edge it is.

By default the gateway of this machine is started, with a small service behind it. To run the same tests against an
API Gateway with the sample system behind it, set

    GATEWAY_URL                    https://... of the stage, with no path
    GATEWAY_TOKEN                  an access token with the scopes orders/read and orders/write
    GATEWAY_TOKEN_WITHOUT_SCOPE    an access token of the same pool with neither

Tests marked `local` ask for what only the local gateway has; they are skipped then.
"""

import http.client
import json
import os
import re
from contextlib import suppress

import pytest

from tests.gateway.conftest import Edge
from tests.gateway.edge import Answer, call, connect, read
from tests.tokens import Issuer

local = pytest.mark.skipif("GATEWAY_URL" in os.environ, reason="asks for what only the local gateway has")

MEBIBYTE = 1024 * 1024
QUOTA_BYTES = 10 * MEBIBYTE


def assert_refused(answer: Answer, status: int, message: str) -> None:
    assert (answer.status, answer.document["message"]) == (status, message)
    assert answer.headers["apigw-requestid"]


def test_a_token_with_the_scope_passes(edge: Edge) -> None:
    assert call(edge.url, "GET", "/orders", token=edge.token).status == 200


def test_a_call_without_a_token_is_unauthorized_and_told_how_to_come_back(edge: Edge) -> None:
    answer = call(edge.url, "GET", "/orders")

    assert_refused(answer, 401, "Unauthorized")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_token_that_is_none_is_unauthorized(edge: Edge) -> None:
    answer = call(edge.url, "GET", "/orders", token="nonsense")

    assert_refused(answer, 401, "Unauthorized")
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_a_token_with_another_signature_is_unauthorized(edge: Edge) -> None:
    signed, _, signature = edge.token.rpartition(".")
    changed = f"{signed}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"

    assert_refused(call(edge.url, "GET", "/orders", token=changed), 401, "Unauthorized")


def test_a_token_without_any_of_the_scopes_is_forbidden(edge: Edge) -> None:
    assert_refused(call(edge.url, "GET", "/orders", token=edge.token_without_scope), 403, "Forbidden")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        pytest.param("GET", "/nowhere", id="unknown path"),
        pytest.param("DELETE", "/orders", id="method without a route"),
        pytest.param("GET", "/orders/", id="trailing slash"),
        pytest.param("GET", "/Orders", id="other case"),
        pytest.param("GET", "/orders/1/lines", id="deeper than any route"),
        pytest.param("GET", "/", id="root"),
    ],
)
def test_what_no_route_matches_is_not_found_even_with_a_token(edge: Edge, method: str, path: str) -> None:
    assert_refused(call(edge.url, method, path, token=edge.token), 404, "Not Found")


def test_a_body_over_the_quota_is_refused(edge: Edge) -> None:
    answer = call(edge.url, "POST", "/orders", token=edge.token, body=bytes(QUOTA_BYTES + 1))

    assert_refused(answer, 413, "Request Entity Too Large")


def test_headers_over_the_quota_are_refused(edge: Edge) -> None:
    answer = call(edge.url, "GET", "/orders", token=edge.token, headers={"X-Long": "x" * 10240})

    assert answer.status == 431


def test_every_answer_has_a_request_id_of_its_own(edge: Edge) -> None:
    answers = [call(edge.url, "GET", "/orders", token=edge.token) for _ in range(3)]

    assert len({answer.headers["apigw-requestid"] for answer in answers}) == 3


def test_a_connection_serves_more_than_one_request_also_after_a_refusal(edge: Edge) -> None:
    answers = []
    with connect(edge.url) as connection:
        for token in (edge.token, edge.token_without_scope, edge.token):
            connection.request("GET", "/orders", headers={"Authorization": f"Bearer {token}"})
            answers.append(read(connection))

    assert [answer.status for answer in answers] == [200, 403, 200]
    assert "close" not in [answer.headers["Connection"] for answer in answers]


@local
def test_a_public_route_asks_for_no_token(edge: Edge) -> None:
    assert call(edge.url, "GET", "/public/x").status == 200


@local
def test_one_of_the_scopes_of_a_route_is_enough(edge: Edge, tokens: Issuer) -> None:
    assert call(edge.url, "GET", "/orders", token=tokens.token(scopes=["orders/admin"])).status == 200


@local
def test_a_route_without_scopes_takes_any_token_of_the_issuer_and_no_other(edge: Edge, tokens: Issuer) -> None:
    assert call(edge.url, "GET", "/any-token", token=tokens.token(scopes=[])).status == 200
    assert_refused(call(edge.url, "GET", "/any-token", token=tokens.foreign_token()), 401, "Unauthorized")


@local
def test_the_token_may_come_without_the_word_bearer_but_not_with_another_word(edge: Edge) -> None:
    assert call(edge.url, "GET", "/orders", headers={"Authorization": edge.token}).status == 200
    assert call(edge.url, "GET", "/orders", headers={"Authorization": f"bearer  {edge.token}"}).status == 200
    assert call(edge.url, "GET", "/orders", headers={"Authorization": f"Basic {edge.token}"}).status == 401


@local
def test_a_refusal_is_a_problem_document_with_the_request_id(edge: Edge) -> None:
    answer = call(edge.url, "GET", "/orders", token=edge.token_without_scope)

    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.document == {
        "type": "about:blank",
        "title": "Forbidden",
        "status": 403,
        "detail": "the token has none of the scopes that the route asks for",
        "message": "Forbidden",
        "request_id": answer.headers["apigw-requestid"],
    }
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope", scope="orders/read orders/admin"'


@local
def test_calls_over_the_throttle_are_told_when_to_come_back(edge: Edge) -> None:
    answers = [call(edge.url, "GET", "/rare") for _ in range(3)]

    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[2].document["message"] == "Too Many Requests"
    # A token each hundred seconds; the last one was taken a moment ago.
    assert re.fullmatch("9[0-9]|100", answers[2].headers["Retry-After"])


@local
def test_each_route_has_a_throttle_of_its_own(edge: Edge) -> None:
    assert [call(edge.url, "POST", "/rare").status for _ in range(2)] == [200, 429]


@local
def test_a_body_of_exactly_the_quota_passes(edge: Edge) -> None:
    assert call(edge.url, "POST", "/public/upload", body=bytes(QUOTA_BYTES)).status == 200


@local
def test_a_body_without_a_length_is_refused_as_soon_as_it_is_over_the_quota(edge: Edge) -> None:
    chunk = bytes(MEBIBYTE)
    with connect(edge.url) as connection:
        connection.putrequest("POST", "/public/upload")
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders()
        for _ in range(11):
            connection.send(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        answer = read(connection)

    assert_refused(answer, 413, "Request Entity Too Large")
    assert answer.headers["Connection"] == "close"


@local
def test_a_body_that_is_announced_over_the_quota_is_refused_before_it_is_sent(edge: Edge) -> None:
    with connect(edge.url) as connection:
        connection.putrequest("POST", "/public/upload")
        connection.putheader("Content-Length", str(1024 * MEBIBYTE))
        connection.putheader("Expect", "100-continue")
        connection.endheaders()

        assert_refused(read(connection), 413, "Request Entity Too Large")


@local
def test_the_quota_of_headers_is_on_the_request_line_and_the_values_together(edge: Edge) -> None:
    def status(padding_bytes: int) -> int:
        with connect(edge.url) as connection:
            connection.putrequest("GET", "/public/x", skip_host=True, skip_accept_encoding=True)
            connection.putheader("Host", "edge")
            connection.putheader("X-Long", "x" * padding_bytes)
            connection.endheaders()
            return read(connection).status

    room_bytes = 10240 - len("GET /public/x HTTP/1.1") - len("edge")
    assert (status(room_bytes), status(room_bytes + 1), status(60_000)) == (200, 431, 431)


@local
@pytest.mark.parametrize(
    "head",
    [
        b"GET /public/x HTTP/1.1\r\nHost: edge\r\nX-Long: " + b"x" * 5_000_000 + b"\r\n\r\n",
        b"GET /public/x HTTP/1.1\r\nHost: edge\r\nX-Long: " + b"x" * 5_000_000,
        b"GET /public/x HTTP/1.1\r\nHost: edge\r\n" + b"x" * 5_000_000,
        b"GET /public/" + b"x" * 5_000_000,
    ],
    ids=["a header", "a header without an end", "a name without an end", "a target without an end"],
)
def test_megabytes_of_headers_are_refused_like_any_over_the_quota(edge: Edge, head: bytes) -> None:
    with connect(edge.url) as connection:
        connection.connect()
        with suppress(ConnectionError):
            connection.sock.sendall(head)
        answer = http.client.HTTPResponse(connection.sock)
        answer.begin()
        document = json.loads(answer.read())

    assert (answer.status, document["message"]) == (431, "Request Header Fields Too Large")
    assert document["request_id"] == answer.headers["apigw-requestid"]
