"""The way of a request to a pod. No pod runs: servers of the tests stand in, at addresses of pods."""

import socket

import httpx
import pytest

from tests.fixtures import wait_for
from tests.integration.data_plane.pods_stand_in import FIRST, GONE, REMEMBERED, SECOND, SLOW, Pod
from tests.integration.data_plane.shop_stand_in import (
    BINDINGS,
    SERVICE,
    Shop,
    World,
)
from tests.integration.harness.aws.data_plane.settings import REGION
from tests.integration.harness.machine.network import AWS

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


def test_people_sign_in_at_the_page_and_their_token_is_good_at_the_gateway(
    behind_gateway: Shop, http: httpx.Client, bearer: dict[str, str]
) -> None:
    keys = httpx.get(f"{behind_gateway.outputs.issuer}/.well-known/jwks.json").json()["keys"]

    assert http.base_url.host.endswith(f".execute-api.{REGION}.amazonaws.com")
    assert keys
    assert http.get("/orders/1", headers=bearer).status_code == 200
    assert http.get("/orders/1").status_code == 401
    assert http.get("/orders/1", headers={"Authorization": "Bearer no.such.token"}).status_code == 401
    assert http.post("/orders", headers=bearer).status_code == 403
    assert http.get("/no-such-route").status_code == 404


def test_an_answer_arrives_as_the_pod_gave_it(http: httpx.Client, running: dict[str, Pod]) -> None:
    answer = http.post("/open", content=b"{}")

    assert answer.status_code == 201
    assert answer.json()["pod"] in running
    assert {name: answer.headers[name] for name in REMEMBERED} == REMEMBERED
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert answer.headers["x-request-id"] == answer.headers["apigw-requestid"]
    assert len(answer.headers["apigw-requestid"]) == 16


def test_a_request_arrives_as_it_was_sent_but_for_what_is_the_gateways_to_say(
    http: httpx.Client, behind_gateway: Shop, running: dict[str, Pod]
) -> None:
    said = {
        "X-Request-Id": "mine",
        "X-Shop-Service": "another",
        "X-Forwarded-For": "8.8.8.8",
        "X-Forwarded-Host": "evil.example",
        "Idempotency-Key": "k",
        "Content-Type": "text/plain; charset=utf-8",
    }
    answer = http.post("/open?a=1&a=2&b=%20x%2B&empty=", content="grün", headers=said)
    heard = running[answer.json()["pod"]].heard[-1]
    own = socket.gethostbyname(AWS)

    assert heard["method"] == "POST"
    assert heard["target"] == "/open?a=1&a=2&b=%20x%2B&empty="
    assert heard["body"] == "grün"
    headers = heard["headers"]
    assert headers["host"] == http.base_url.host
    assert headers["idempotency-key"] == "k"
    assert headers["content-type"] == said["Content-Type"]
    assert headers["x-request-id"] == answer.headers["apigw-requestid"]
    assert headers["x-shop-service"] == SERVICE
    [client, gateway] = headers["x-forwarded-for"].split(", ")
    assert gateway == own
    assert headers["forwarded"] == f'by={own};for={client};host="{http.base_url.host}";proto=https'
    assert client != "8.8.8.8"
    assert "x-forwarded-host" not in headers


@pytest.mark.parametrize(
    ("sent", "arrives"),
    [
        ("a%20b", "a%20b"),
        ("gr%C3%BCn", "gr%C3%BCn"),
        ("100%25", "100%25"),
        ("a%3Fb", "a%3Fb"),
        ("a%2Fb", "a/b"),  # API Gateway takes the encoding off: see infra/capabilities/routes/aws.py
    ],
)
def test_a_path_keeps_its_encoding_where_it_needs_one(
    http: httpx.Client, running: dict[str, Pod], sent: str, arrives: str
) -> None:
    answer = http.get(f"/open/{sent}")

    assert running[answer.json()["pod"]].heard[-1]["target"] == f"/open/{arrives}"


def test_pods_take_turns_and_connections_are_kept(http: httpx.Client, running: dict[str, Pod]) -> None:
    for pod in running.values():
        pod.connections.clear()

    answers = [http.get("/open/x").json()["pod"] for _ in range(20)]

    assert {answers.count(pod) for pod in running} == {10}
    assert all(len(pod.connections) == 1 for pod in running.values())


def test_a_pod_gets_requests_while_it_is_ready_and_its_service_is_bound(
    behind_gateway: Shop, http: httpx.Client, world: World
) -> None:
    behind_gateway.ready(SECOND)
    assert {http.get("/open/x").json()["pod"] for _ in range(5)} == {SECOND}
    binding = world.cluster.get(f"{BINDINGS}/{SERVICE}")
    world.cluster.delete(f"{BINDINGS}/{SERVICE}", {})
    wait_for(lambda: behind_gateway.healthy() == set(), 10, "nothing is registered")
    unavailable = http.get("/open/x")
    del binding["metadata"]["resourceVersion"], binding["metadata"]["uid"]
    world.cluster.post(BINDINGS, binding)
    behind_gateway.ready(FIRST, SECOND)

    assert unavailable.status_code == 503
    assert unavailable.headers["server"] == "awselb/2.0"


def test_what_cannot_be_answered_is_answered_by_who_knows_why(
    behind_gateway: Shop, http: httpx.Client, bearer: dict[str, str]
) -> None:
    slow = http.get(SLOW, headers=bearer)
    nobody_registered, no_rule = http.get("/idle"), http.get("/nobody")

    assert (slow.status_code, slow.json()) == (503, {"message": "Service Unavailable"})  # the gateway: too late
    assert nobody_registered.status_code == 503  # the load balancer
    assert "503 Service Temporarily Unavailable" in nobody_registered.text
    assert (no_rule.status_code, no_rule.json()) == (404, {"message": "Not Found"})  # the listener's default
    assert all(answer.headers["apigw-requestid"] for answer in (slow, nobody_registered, no_rule))


def test_a_pod_that_is_gone_before_it_was_deregistered_is_a_502(
    behind_gateway: Shop, http: httpx.Client, running: dict[str, Pod]
) -> None:
    running[GONE] = Pod(GONE)
    try:
        behind_gateway.ready(GONE)
        answer = http.get("/open/x")
    finally:
        del running[GONE]
        behind_gateway.ready(FIRST, SECOND)

    assert answer.status_code == 502
    assert "502 Bad Gateway" in answer.text
