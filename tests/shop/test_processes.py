"""Commands as processes: several at once, and killed in the middle."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fixtures import wait_for
from tests.shop.documents import order
from tests.shop.server import BROKEN, EMAIL, PASSWORD, Answer, Asked, FakeShop

Start = Callable[..., "subprocess.Popen[str]"]
PATIENCE_SECONDS = 50


class OrderingShop(FakeShop):
    """Places an order for each new key, once it may answer."""

    def __init__(self) -> None:
        super().__init__()
        self.may_answer = threading.Event()
        self.keys: list[str] = []

    def answer(self, asked: Asked) -> Answer:
        if (asked.method, asked.path) != ("POST", "/orders"):
            return super().answer(asked)
        key = asked.headers["idempotency-key"]
        known = key in self.keys
        self.keys.append(key)
        if not self.may_answer.wait(PATIENCE_SECONDS):
            return BROKEN
        return Answer(201, order(), {"Idempotency-Replayed": "true"} if known else {})


@pytest.fixture
def shop() -> Iterator[OrderingShop]:
    shop = OrderingShop()
    yield shop
    shop.may_answer.set()
    shop.close()


@pytest.fixture
def start(shop: OrderingShop, tmp_path: Path) -> Iterator[Start]:
    outputs = tmp_path / "outputs.json"
    outputs.write_text(json.dumps(shop.outputs))
    given = {"SHOP_OUTPUTS": str(outputs), "SHOP_HOME": str(tmp_path / "home"), "SHOP_PASSWORD": PASSWORD}
    started: list[subprocess.Popen[str]] = []

    def start(*words: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "shop", *words],
            env=os.environ | given,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def signed_in(start: Start) -> None:
    process = start("sign-in", EMAIL)
    assert (process.communicate(timeout=PATIENCE_SECONDS)[1], process.returncode) == ("", 0)


@pytest.mark.slow
@pytest.mark.usefixtures("signed_in")
def test_equal_commands_at_once_are_one_order(shop: OrderingShop, start: Start) -> None:
    processes = [start("order", "TEA-GREEN-100=2") for _ in range(4)]
    wait_for(lambda: len(shop.keys) == len(processes), PATIENCE_SECONDS, "all commands have sent their order")
    shop.may_answer.set()

    said = [process.communicate(timeout=PATIENCE_SECONDS)[1] for process in processes]

    assert [process.returncode for process in processes] == [0] * len(processes), said
    assert len(set(shop.keys)) == 1
    assert sorted("it is the same order" in each for each in said) == [False, True, True, True]


@pytest.mark.slow
@pytest.mark.usefixtures("signed_in")
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_a_command_that_is_ended_before_its_answer_does_not_order_twice(
    shop: OrderingShop, start: Start, ending: signal.Signals
) -> None:
    process = start("order", "TEA-GREEN-100=2")
    wait_for(lambda: len(shop.keys) == 1, PATIENCE_SECONDS, "the order is sent")
    process.send_signal(ending)
    said = process.communicate(timeout=PATIENCE_SECONDS)[1]
    shop.may_answer.set()

    again = start("order", "TEA-GREEN-100=2")
    again.communicate(timeout=PATIENCE_SECONDS)

    assert process.returncode == -ending
    assert said == "" or "the same command again does not order twice" in said
    assert again.returncode == 0
    assert len(set(shop.keys)) == 1
