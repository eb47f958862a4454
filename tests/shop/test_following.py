"""An order on its way, as a person watches it."""

import json

import pytest

from tests.shop.conftest import Run
from tests.shop.documents import ORDER_ID, history, order
from tests.shop.server import Answer, FakeShop, problem

WAY = ("placed", "reserved", "paid", "confirmed")
DECLINED = {"cause": "payment_declined", "reason": "the card was declined"}


def going(shop: FakeShop, *steps: str, **changed: object) -> None:
    """Has the order go one step at a time."""
    shop.on(f"GET /orders/{ORDER_ID}", *(Answer(body=order(step, **changed)) for step in steps))
    shop.on(f"GET /orders/{ORDER_ID}/history", *(Answer(body=history(*steps[: n + 1])) for n in range(len(steps))))


def test_a_confirmed_order_is_a_line_for_each_step_and_status_0(signed_in: FakeShop, run: Run) -> None:
    going(signed_in, *WAY)

    result = run("follow", ORDER_ID)

    assert result.exit_code == 0
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["placed", "2026-03-01", "12:00:00", "+0.00", "s"],
        ["reserved", "2026-03-01", "12:00:00", "+0.50", "s"],
        ["paid", "2026-03-01", "12:00:01", "+1.00", "s"],
        ["confirmed", "2026-03-01", "12:00:01", "+1.50", "s"],
    ]


def test_a_cancelled_order_says_why_with_status_1(signed_in: FakeShop, run: Run) -> None:
    going(signed_in, "placed", "reserved", "cancelled", cancellation=DECLINED)

    result = run("follow", ORDER_ID)

    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1] == "Cancelled (payment_declined): the card was declined"


def test_an_order_that_has_not_moved_is_not_told_again(signed_in: FakeShop, run: Run) -> None:
    going(signed_in, *WAY)
    signed_in.on(
        f"GET /orders/{ORDER_ID}/history",
        *[Answer(body=history("placed"))] * 5,
        Answer(body=history(*WAY)),
    )
    signed_in.on(f"GET /orders/{ORDER_ID}", *[Answer(body=order())] * 5, Answer(body=order("confirmed")))

    assert [line.split()[0] for line in run("follow", ORDER_ID).stdout.splitlines()] == list(WAY)


def test_a_terminal_shows_what_is_done_and_what_comes(signed_in: FakeShop, run: Run) -> None:
    going(signed_in, "placed", "reserved", "cancelling", "cancelled", cancellation=DECLINED)

    result = run("follow", ORDER_ID, FORCE_COLOR="1", COLUMNS="120")

    assert result.exit_code == 1
    assert "\x1b[" in result.stdout
    for part in ("✓", "✗", "reserved", "cancelling", "+1.50 s", "the card was declined"):
        assert part in result.stdout


def test_an_order_is_followed_in_a_terminal_unless_told_otherwise(signed_in: FakeShop, run: Run) -> None:
    signed_in.on("POST /orders", Answer(201, order()))
    going(signed_in, *WAY)

    assert run("order", "TEA-GREEN-100", "--no-follow", FORCE_COLOR="1").exit_code == 0
    assert signed_in.asked(f"GET /orders/{ORDER_ID}/history") == []
    assert run("order", "TEA-GREEN-100", FORCE_COLOR="1").exit_code == 0
    assert signed_in.asked(f"GET /orders/{ORDER_ID}/history") != []


def test_a_script_may_follow_and_gets_the_end_alone(signed_in: FakeShop, run: Run) -> None:
    signed_in.on("POST /orders", Answer(201, order()))
    going(signed_in, *WAY)

    result = run("order", "TEA-GREEN-100", "--json", "--follow")

    assert result.exit_code == 0
    assert json.loads(result.stdout) == order("confirmed")


def test_a_shop_that_is_away_for_a_moment_is_waited_for(signed_in: FakeShop, run: Run) -> None:
    going(signed_in, "confirmed")
    away = problem(502, "Bad Gateway")
    signed_in.on(f"GET /orders/{ORDER_ID}", away, away, Answer(body=order("confirmed")))

    assert run("follow", ORDER_ID).exit_code == 0


def test_control_c_ends_with_130_and_leaves_the_order_alone(
    signed_in: FakeShop, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    going(signed_in, *WAY)
    monkeypatch.setattr("time.sleep", interrupt)

    result = run("follow", ORDER_ID)

    assert result.exit_code == 130
    assert f"python -m shop follow {ORDER_ID}" in result.stderr


def test_an_order_is_shown_with_its_history(signed_in: FakeShop, run: Run) -> None:
    going(signed_in, "cancelled", cancellation=DECLINED)
    signed_in.on(f"GET /orders/{ORDER_ID}/history", Answer(body=history("placed", "cancelled")))

    shown = run("show-order", ORDER_ID).stdout

    for part in ("order.placed", "order.cancelled", "+0.50 s", "Cancelled (payment_declined): the card was declined"):
        assert part in shown
    assert json.loads(run("show-order", ORDER_ID, "--json").stdout)["history"][1]["type"] == "order.cancelled"
