"""What passes between client and service, unchanged or on purpose not."""

import http.client
import re
import threading
import uuid

import pytest

from tests.gateway.edge import Connection, GatewayProcess, Received, Service, call, connect, read
from tests.tokens import Issuer


@pytest.fixture
def path() -> str:
    """A path of this test alone, on a public route."""
    return f"/public/{uuid.uuid4()}"


def received(service: Service, path: str) -> Received:
    (request,) = (request for request in service.received if request.target == path)
    return request


@pytest.mark.parametrize(
    "rest",
    [
        "/a%2Fb",
        "/caf%C3%A9%20ol%c3%a9",
        "/%7Euser;v=1/@me",
        "/../%2e%2e/x",
        "//double//slash/",
        "?b=1&a=2&a=1",
        "?q=a+b%20c&empty=&flag&e=%E2%82%AC&raw=/?:@",
        "/?next=https%3A%2F%2Felsewhere%2F%3Fx%3D1",
    ],
)
def test_path_and_query_arrive_as_they_were_sent(gateway: GatewayProcess, path: str, rest: str) -> None:
    assert call(gateway.url, "GET", path + rest).document["target"] == path + rest


@pytest.mark.parametrize("method", ["DELETE", "GET", "PATCH", "POST", "PUT"])
def test_method_and_body_arrive_as_they_were_sent(
    gateway: GatewayProcess, service: Service, path: str, method: str
) -> None:
    body = bytes(range(256))

    answer = call(gateway.url, method, path, body=body)

    assert (received(service, path).method, answer.document["body"].encode("latin-1")) == (method, body)


def test_a_compressed_body_stays_compressed(gateway: GatewayProcess, path: str) -> None:
    answer = call(gateway.url, "POST", path, body=b"not really gzip", headers={"Content-Encoding": "gzip"})

    assert answer.document["body"] == "not really gzip"


def test_a_body_sent_in_chunks_arrives_with_its_length(gateway: GatewayProcess, service: Service, path: str) -> None:
    with connect(gateway.url) as connection:
        connection.request("POST", path, iter([b"one ", b"two"]), encode_chunked=True)
        answer = read(connection)

    assert answer.document["body"] == "one two"
    assert received(service, path).headers["Content-Length"] == "7"


def test_a_client_that_asks_first_is_told_to_go_on(gateway: GatewayProcess, service: Service, path: str) -> None:
    with connect(gateway.url) as connection:
        connection.putrequest("POST", path)
        connection.putheader("Content-Length", "4")
        connection.putheader("Expect", "100-continue")
        connection.endheaders()
        assert connection.sock.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.send(b"body")

        assert read(connection).document["body"] == "body"
    assert "Expect" not in received(service, path).headers


def test_headers_for_the_service_arrive_and_those_for_the_gateway_do_not(
    gateway: GatewayProcess, service: Service, tokens: Issuer
) -> None:
    token = tokens.token(subject="headers")
    traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    call(
        gateway.url,
        "GET",
        "/orders/headers",
        token=token,
        headers={
            "traceparent": traceparent,
            "Cookie": "a=1; b=2",
            "Connection": "keep-alive, X-Private",
            "X-Private": "for the gateway",
            "Keep-Alive": "timeout=5",
            "TE": "trailers",
            "Upgrade": "h2c",
            "Proxy-Authorization": "Basic eDp5",
        },
    )

    got = received(service, "/orders/headers")
    assert sorted(name.lower() for name in got.headers) == [
        "accept-encoding",
        "authorization",
        "cookie",
        "forwarded",
        "host",
        "traceparent",
        "x-forwarded-for",
        "x-forwarded-port",
        "x-forwarded-proto",
        "x-request-id",
    ]
    assert got.headers["Authorization"] == f"Bearer {token}"
    assert got.headers["traceparent"] == traceparent
    assert got.headers["Cookie"] == "a=1; b=2"
    assert got.headers["Host"] == f"127.0.0.1:{service.port}"


def test_where_a_request_came_from_is_said_by_the_gateway_and_not_by_the_client(
    gateway: GatewayProcess, service: Service, path: str
) -> None:
    claimed = {
        "Forwarded": "for=8.8.8.8",
        "X-Forwarded-For": "8.8.8.8",
        "X-Forwarded-Port": "443",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example",
        "X-Request-Id": "mine",
        "apigw-requestid": "mine",
    }

    answer = call(gateway.url, "GET", path, headers=claimed)

    got = received(service, path).headers
    host = gateway.url.removeprefix("http://")
    assert {name: got[name] for name in claimed} == {
        "Forwarded": f'by=127.0.0.1;for=127.0.0.1;proto=http;host="{host}"',
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Port": host.partition(":")[2],
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Host": None,
        "X-Request-Id": answer.headers["apigw-requestid"],
        "apigw-requestid": None,
    }
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["apigw-requestid"])


def test_a_host_that_is_none_is_not_passed_on(gateway: GatewayProcess, service: Service, path: str) -> None:
    call(gateway.url, "GET", path, headers={"Host": 'x";for="8.8.8.8'})

    assert received(service, path).headers["Forwarded"] == "by=127.0.0.1;for=127.0.0.1;proto=http"


def test_the_service_s_status_headers_and_body_reach_the_client(
    gateway: GatewayProcess, service: Service, path: str
) -> None:
    own = [
        ("Content-Type", "application/problem+json"),
        ("Content-Encoding", "gzip"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
        ("Location", "/orders/1"),
        ("apigw-requestid", "the service's own"),
        ("Connection", "X-Private"),
        ("X-Private", "for the gateway"),
        ("Keep-Alive", "timeout=5"),
    ]
    service.answers[path] = lambda asked: asked.reply(b"not really gzip", 409, own)

    answer = call(gateway.url, "GET", path)

    assert (answer.status, answer.body) == (409, b"not really gzip")
    assert sorted(answer.headers.items()) == sorted(
        [
            *own[:5],
            ("Server", answer.headers["Server"]),
            ("Date", answer.headers["Date"]),
            ("Content-Length", "15"),
            ("apigw-requestid", received(service, path).headers["X-Request-Id"]),
        ]
    )


@pytest.mark.parametrize("status", [302, 401, 404, 500, 503])
def test_an_answer_of_the_service_is_never_replaced(
    gateway: GatewayProcess, service: Service, path: str, status: int
) -> None:
    service.answers[path] = lambda asked: asked.reply(b"own words", status, [("Location", "/elsewhere")])

    answer = call(gateway.url, "GET", path)

    assert (answer.status, answer.body) == (status, b"own words")


@pytest.mark.parametrize(("method", "status"), [("GET", 204), ("GET", 304)])
def test_an_answer_without_a_body_leaves_the_connection_in_order(
    gateway: GatewayProcess, service: Service, path: str, method: str, status: int
) -> None:
    def answer_without_body(asked: Connection) -> None:
        asked.send_response(status)
        asked.end_headers()

    service.answers[path] = answer_without_body

    with connect(gateway.url) as connection:
        for _ in range(2):
            connection.request(method, path)
            assert (answer := read(connection)).status == status
            assert answer.body == b""


def test_the_answer_to_a_head_request_keeps_the_length_of_the_body_that_it_leaves_out(
    gateway: GatewayProcess, service: Service, path: str
) -> None:
    def head(asked: Connection) -> None:
        asked.send_response(200)
        asked.send_header("Content-Length", "1234")
        asked.end_headers()

    service.answers[path] = head

    answer = call(gateway.url, "HEAD", path)

    assert (answer.status, answer.headers["Content-Length"], answer.body) == (200, "1234", b"")


def test_an_answer_is_streamed_as_it_is_made(gateway: GatewayProcess, service: Service, path: str) -> None:
    first_read = threading.Event()
    in_time = []

    def stream(asked: Connection) -> None:
        asked.send_response(200)
        asked.send_header("Transfer-Encoding", "chunked")
        asked.end_headers()
        asked.wfile.write(b"5\r\nfirst\r\n")
        in_time.append(first_read.wait(2))
        asked.wfile.write(b"6\r\nsecond\r\n0\r\n\r\n")

    service.answers[path] = stream

    with connect(gateway.url) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        first = response.read(5)
        first_read.set()
        assert (first, response.read()) == (b"first", b"second")
    assert in_time == [True]


def test_a_cookie_that_the_service_gives_to_one_client_is_not_sent_with_the_next_client_s_request(
    gateway: GatewayProcess, service: Service
) -> None:
    service.answers["/named/sign-in"] = lambda asked: asked.reply(headers=[("Set-Cookie", "session=ada; Path=/")])

    call(gateway.url, "GET", "/named/sign-in")
    call(gateway.url, "GET", "/named/next")

    assert received(service, "/named/next").headers["Cookie"] is None


def test_an_answer_that_breaks_off_breaks_off_for_the_client_too(
    gateway: GatewayProcess, service: Service, path: str
) -> None:
    def break_off(asked: Connection) -> None:
        asked.send_response(200)
        asked.send_header("Transfer-Encoding", "chunked")
        asked.end_headers()
        asked.wfile.write(b"5\r\nfirst\r\n")
        asked.close_connection = True

    service.answers[path] = break_off

    with pytest.raises(http.client.IncompleteRead):
        call(gateway.url, "GET", path)


def test_a_service_that_is_too_slow_is_unavailable(gateway: GatewayProcess, service: Service) -> None:
    released = threading.Event()

    def wait(asked: Connection) -> None:
        released.wait(5)

    service.answers["/slow"] = wait

    answer = call(gateway.url, "POST", "/slow", body=b"{}")
    released.set()

    assert (answer.status, answer.document["message"]) == (503, "Service Unavailable")
    assert answer.document["detail"] == "orders did not answer within 0.2 s"


def test_a_service_that_is_down_is_unavailable(gateway: GatewayProcess) -> None:
    answer = call(gateway.url, "GET", "/down")

    assert (answer.status, answer.document["message"]) == (503, "Service Unavailable")
    assert answer.document["detail"] == "orders cannot be reached"


@pytest.mark.parametrize(("method", "status", "deliveries"), [("GET", 200, 2), ("POST", 503, 1)])
def test_only_an_idempotent_request_is_sent_again_when_the_service_closes_a_kept_connection(
    gateway: GatewayProcess, service: Service, path: str, method: str, status: int, deliveries: int
) -> None:
    def hang_up_once(asked: Connection) -> None:
        service.answers.pop(path)
        asked.close_connection = True

    service.answers[path] = hang_up_once

    assert call(gateway.url, method, path).status == status
    assert sum(request.target == path for request in service.received) == deliveries


def test_a_service_that_is_restarted_is_found_again(gateway: GatewayProcess, quiet_port: int) -> None:
    def status(method: str) -> int:
        return call(gateway.url, method, "/down").status

    statuses = []
    for _ in range(2):
        service = Service(quiet_port)
        statuses += [status("GET"), status("POST")]
        service.stop()
        statuses.append(status("POST"))

    assert statuses == [200, 200, 503, 200, 200, 503]
