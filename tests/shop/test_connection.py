"""Requests as a careful client sends them."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from shop import connection as connection_module
from shop.client_store import ClientStore
from shop.connection import Connection
from shop.errors import Refused, Unreachable
from shop.outputs import Outputs
from shop.session import Session
from tests.fixtures import free_port
from tests.shop.server import BROKEN, Answer, FakeShop, problem

GOOD = Answer(body={"good": True})
AWAY = problem(503, "Service Unavailable")


def slow_down(seconds: str) -> Answer:
    return Answer(429, {"title": "Too Many Requests", "status": 429}, {"Retry-After": seconds})


@dataclass
class Client:
    """A connection whose pauses take no time."""

    shop: FakeShop
    slept: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        session = Session(Outputs.model_validate(self.shop.outputs), ClientStore())
        self.connection = Connection(self.shop.url, session, note=self.notes.append, sleep=self.slept.append)

    def send(self, method: str, *, repeatable: bool = False) -> int:
        return self.connection.send(method, "/thing", signed=False, repeatable=repeatable).status_code


@pytest.fixture
def client(shop: FakeShop) -> Iterator[Client]:
    client = Client(shop)
    yield client
    client.connection.close()


@pytest.mark.parametrize("hiccup", [pytest.param(BROKEN, id="broken"), pytest.param(AWAY, id="away")])
def test_what_may_be_repeated_is_repeated(shop: FakeShop, client: Client, hiccup: Answer) -> None:
    shop.on("GET /thing", hiccup, hiccup, GOOD)
    shop.on("POST /thing", hiccup, hiccup, GOOD)

    assert client.send("GET") == 200
    assert client.send("POST", repeatable=True) == 200
    assert len(client.slept) == 4


def test_what_may_not_be_repeated_is_sent_once(shop: FakeShop, client: Client) -> None:
    shop.on("POST /thing", BROKEN, GOOD)
    with pytest.raises(Unreachable, match="broke before the shop answered"):
        client.send("POST")
    shop.on("POST /thing", AWAY, GOOD)
    with pytest.raises(Refused, match="Service Unavailable"):
        client.send("POST")

    assert len(shop.asked("POST /thing")) == 2


def test_repetitions_end(shop: FakeShop, client: Client) -> None:
    shop.on("GET /thing", AWAY)

    with pytest.raises(Refused, match="Service Unavailable"):
        client.send("GET")

    assert len(shop.asked("GET /thing")) == 5


def test_nobody_at_the_address_is_said_after_some_tries(home: object) -> None:
    slept: list[float] = []
    url = f"http://127.0.0.1:{free_port()}"
    outputs = {"issuer": "i", "client_id": "c", "scopes": [], "callback_url": "", "authorize_url": "", "token_url": ""}
    session = Session(Outputs.model_validate(outputs | {"url": url}), ClientStore())
    connection = Connection(url, session, note=print, sleep=slept.append)

    with pytest.raises(Unreachable, match=f"does not answer at {url}"):
        connection.send("POST", "/thing", signed=False)

    connection.close()
    assert slept == list(connection_module.PAUSES_SECONDS)


def test_a_busy_shop_is_asked_again_when_it_says(shop: FakeShop, client: Client) -> None:
    shop.on("POST /thing", slow_down("7"), GOOD)

    assert client.send("POST") == 200
    assert client.slept == [7.0]
    assert client.notes == ["the shop asks to come back in 7 s"]


def test_a_shop_that_stays_busy_is_an_error_after_a_minute(shop: FakeShop, client: Client) -> None:
    shop.on("POST /thing", slow_down("0"))

    with pytest.raises(Refused, match="Too Many Requests"):
        client.send("POST")

    assert sum(client.slept) == 60


def test_nobody_waits_an_hour(shop: FakeShop, client: Client) -> None:
    shop.on("GET /thing", slow_down("3600"))

    with pytest.raises(Refused, match="Too Many Requests"):
        client.send("GET")

    assert client.slept == []


def test_a_copy_that_is_still_answered_is_waited_for(shop: FakeShop, client: Client) -> None:
    in_progress = Answer(409, {"title": "Request in progress", "status": 409}, {"Retry-After": "1"})
    shop.on("POST /thing", in_progress, in_progress, GOOD)

    assert client.send("POST", repeatable=True) == 200
    assert client.slept == [1.0, 1.0]


def test_a_conflict_is_no_reason_to_wait(shop: FakeShop, client: Client) -> None:
    shop.on("POST /thing", problem(409, "Order cannot be cancelled", "It is confirmed."))

    with pytest.raises(Refused, match="Order cannot be cancelled: It is confirmed"):
        client.send("POST", repeatable=True)

    assert client.slept == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (problem(500, "Internal Server Error", request_id="r-1"), "Internal Server Error (request r-1)"),
        (problem(404, "No such order"), "No such order"),
        (Answer(418, "<h1>short and stout</h1>"), "418 I'm a Teapot"),
        (Answer(400, ["no", "object"]), "400 Bad Request"),
        (
            problem(422, "Invalid request", "x", errors=[{"pointer": "/body", "detail": "Field required"}]),
            "Invalid request: Field required",
        ),
    ],
)
def test_an_error_is_one_readable_line(shop: FakeShop, client: Client, answer: Answer, said: str) -> None:
    shop.on("POST /thing", answer)

    with pytest.raises(Refused) as refused:
        client.send("POST")

    assert str(refused.value) == said
