"""An order: placed once, however often the connection breaks."""

import errno
import json
import time
from typing import Any

import pytest

from tests.shop.conftest import Run
from tests.shop.documents import ORDER_ID, eur, order, page
from tests.shop.server import BROKEN, EMAIL, PASSWORD, Answer, FakeShop, problem

PLACED = Answer(201, order())


def keys(shop: FakeShop) -> list[str]:
    return [each.headers["idempotency-key"] for each in shop.asked("POST /orders")]


def body(shop: FakeShop) -> Any:
    return shop.asked("POST /orders")[-1].json


def test_an_order_says_what_is_wanted(signed_in: FakeShop, run: Run) -> None:
    signed_in.on("POST /orders", PLACED)

    result = run("order", "tea-green-100=2", "CUP-1", "CUP-1=3", "--pay", "card-slow", "--coupon", "A", "--coupon", "B")

    assert result.exit_code == 0
    assert body(signed_in) == {
        "lines": [{"sku": "TEA-GREEN-100", "quantity": 2}, {"sku": "CUP-1", "quantity": 4}],
        "payment_method": "card-slow",
        "coupons": ["A", "B"],
    }


def test_a_placed_order_is_shown_with_its_bill(signed_in: FakeShop, run: Run) -> None:
    signed_in.on("POST /orders", PLACED)

    shown = run("order", "TEA-GREEN-100=2").stdout

    for part in (
        ORDER_ID,
        "placed",
        "Green tea",
        "6.25 EUR",
        "12.50 EUR",
        "Spring: 10 % off tea",
        "-1.25 EUR",
        "11.25 EUR",
    ):
        assert part in shown
    assert "\x1b" not in shown


def test_list_prices_are_said_to_be_a_fallback(signed_in: FakeShop, run: Run) -> None:
    signed_in.on("POST /orders", Answer(201, order(priced_by="list")))

    assert "At list prices" in run("order", "TEA-GREEN-100").stdout


def test_json_is_the_shops_own_document(signed_in: FakeShop, run: Run) -> None:
    signed_in.on("POST /orders", Answer(201, order() | {"gift": True}))

    assert json.loads(run("order", "TEA-GREEN-100", "--json").stdout) == order() | {"gift": True}


@pytest.mark.parametrize("word", ["TEA=0", "TEA=", "TEA=-1", "TEA=x", "=2", "TEA/1", "TEA=1234567890"])
def test_a_line_that_is_none_is_not_sent(signed_in: FakeShop, run: Run, word: str) -> None:
    result = run("order", word)

    assert result.exit_code == 2
    assert "is not SKU or SKU=QUANTITY" in result.stderr
    assert keys(signed_in) == []


def test_every_order_has_a_key_of_its_own(signed_in: FakeShop, run: Run) -> None:
    signed_in.on("POST /orders", PLACED)

    run("order", "TEA-GREEN-100")
    run("order", "TEA-GREEN-100")

    assert len(set(keys(signed_in))) == 2


@pytest.mark.parametrize(
    "hiccup",
    [
        pytest.param(BROKEN, id="the connection breaks"),
        pytest.param(problem(503, "Service Unavailable"), id="the shop is away"),
    ],
)
def test_an_order_is_sent_again_with_its_key(signed_in: FakeShop, run: Run, hiccup: Answer) -> None:
    signed_in.on("POST /orders", hiccup, PLACED)

    assert run("order", "TEA-GREEN-100").exit_code == 0
    assert len(keys(signed_in)) == 2
    assert len(set(keys(signed_in))) == 1


def test_an_order_without_an_answer_keeps_its_key_for_the_next_command(signed_in: FakeShop, run: Run) -> None:
    signed_in.on("POST /orders", BROKEN)
    result = run("order", "TEA-GREEN-100")
    assert result.exit_code == 1
    assert "the same command again does not order twice" in result.stderr
    signed_in.on("POST /orders", Answer(201, order(), {"Idempotency-Replayed": "true"}))

    result = run("order", "TEA-GREEN-100")

    assert result.exit_code == 0
    assert "it is the same order, not another one" in result.stderr
    assert len(set(keys(signed_in))) == 1


def test_a_renewed_sign_in_keeps_the_key_of_a_lost_answer(signed_in: FakeShop, run: Run) -> None:
    signed_in.on("POST /orders", BROKEN)
    run("order", "TEA-GREEN-100")
    signed_in.on("POST /orders", problem(401, "Unauthorized"), BROKEN)
    run("order", "TEA-GREEN-100")
    signed_in.on("POST /orders", PLACED)

    assert run("order", "TEA-GREEN-100").exit_code == 0
    assert len(set(keys(signed_in))) == 1


def test_an_order_that_a_copy_is_still_placing_keeps_its_key(signed_in: FakeShop, run: Run) -> None:
    in_progress = problem(409, "Request in progress")
    signed_in.on("POST /orders", in_progress)
    assert run("order", "TEA-GREEN-100").stderr == "shop: Request in progress\n"
    signed_in.on("POST /orders", PLACED)

    run("order", "TEA-GREEN-100")

    assert len(set(keys(signed_in))) == 1


def test_after_a_lost_answer_another_order_is_another_order(signed_in: FakeShop, run: Run) -> None:
    signed_in.on("POST /orders", BROKEN)
    run("order", "TEA-GREEN-100")
    signed_in.on("POST /orders", PLACED)

    run("order", "TEA-GREEN-100=3")

    assert len(set(keys(signed_in))) == 2


def test_a_key_of_long_ago_is_not_used_again(signed_in: FakeShop, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    signed_in.on("POST /orders", BROKEN)
    run("order", "TEA-GREEN-100")
    signed_in.on("POST /orders", PLACED)
    monkeypatch.setattr("shop.sent_orders.KEY_HOURS", 0)

    run("order", "TEA-GREEN-100")

    assert len(set(keys(signed_in))) == 2


def test_a_lost_answer_of_one_person_is_nothing_to_the_next(signed_in: FakeShop, run: Run) -> None:
    signed_in.on("POST /orders", BROKEN)
    run("order", "TEA-GREEN-100")
    signed_in.on("POST /orders", PLACED)
    signed_in.people["bob@example.com"] = PASSWORD
    run("sign-in", "bob@example.com", SHOP_PASSWORD=PASSWORD)

    run("order", "TEA-GREEN-100")

    assert len(set(keys(signed_in))) == 2


def test_who_signs_in_again_does_not_order_twice(signed_in: FakeShop, run: Run) -> None:
    signed_in.on("POST /orders", BROKEN)
    run("order", "TEA-GREEN-100")
    signed_in.on("POST /orders", PLACED)
    run("sign-out")
    run("sign-in", EMAIL, SHOP_PASSWORD=PASSWORD)

    run("order", "TEA-GREEN-100")

    assert len(set(keys(signed_in))) == 1


def test_an_order_in_between_takes_no_key_of_an_order_without_an_answer(signed_in: FakeShop, run: Run) -> None:
    signed_in.on("POST /orders", BROKEN)
    run("order", "TEA-GREEN-100")
    signed_in.on("POST /orders", PLACED)
    run("order", "CUP-1")

    run("order", "TEA-GREEN-100")

    assert len(set(keys(signed_in))) == 2
    assert keys(signed_in)[0] == keys(signed_in)[-1]


@pytest.mark.parametrize("status", [401, 403, 409, 500])
def test_what_says_nothing_of_an_earlier_try_leaves_its_key(signed_in: FakeShop, run: Run, status: int) -> None:
    signed_in.on("POST /orders", BROKEN)
    run("order", "TEA-GREEN-100")
    signed_in.on("POST /orders", problem(status, "No"))
    assert run("order", "TEA-GREEN-100").exit_code == 1
    signed_in.on("POST /orders", PLACED)

    run("order", "TEA-GREEN-100")

    assert len(set(keys(signed_in))) == 1


def test_an_answer_that_nobody_could_read_leaves_the_key(signed_in: FakeShop, run: Run) -> None:
    signed_in.on("POST /orders", Answer(201, "<html>"))
    assert run("order", "TEA-GREEN-100").exit_code == 1
    signed_in.on("POST /orders", PLACED)

    run("order", "TEA-GREEN-100")

    assert len(set(keys(signed_in))) == 1


def test_an_answer_that_nobody_saw_leaves_the_key(
    signed_in: FakeShop, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    signed_in.on("POST /orders", PLACED)
    with monkeypatch.context() as context:
        context.setattr("shop.screen.Screen.show", full)
        assert run("order", "TEA-GREEN-100").stderr == "shop: No space left on device\n"

    run("order", "TEA-GREEN-100")

    assert len(set(keys(signed_in))) == 1


def test_a_command_that_was_given_before_an_equal_one_had_its_answer_is_the_same_order(
    signed_in: FakeShop, run: Run
) -> None:
    signed_in.on("POST /orders", PLACED)
    before = time.time()
    run("order", "TEA-GREEN-100")

    run("order", "TEA-GREEN-100", started_at=before)
    run("order", "TEA-GREEN-100")

    first, second, third = keys(signed_in)
    assert first == second
    assert third != first


def test_an_answer_that_is_lost_is_asked_for_again_although_an_equal_command_had_its_own(
    signed_in: FakeShop, run: Run
) -> None:
    before = time.time()
    signed_in.on("POST /orders", PLACED)
    run("order", "TEA-GREEN-100")
    signed_in.on("POST /orders", BROKEN)
    run("order", "TEA-GREEN-100", started_at=before)
    signed_in.on("POST /orders", PLACED)

    run("order", "TEA-GREEN-100")

    assert len(set(keys(signed_in))) == 1


def test_a_refused_order_is_one_line_with_every_field_and_its_key_is_done(signed_in: FakeShop, run: Run) -> None:
    errors = [
        {"pointer": "/body/lines/0/quantity", "detail": "Input should be less than 1000"},
        {"pointer": "/body/payment_method", "detail": "String should match pattern"},
    ]
    refusal = problem(422, "Invalid request", "The request does not fit its schema.", errors=errors)
    signed_in.on("POST /orders", refusal, PLACED)

    result = run("order", "TEA-GREEN-100=5000")

    assert result.exit_code == 1
    assert result.stderr == (
        "shop: Invalid request: lines.0.quantity: Input should be less than 1000; "
        "payment_method: String should match pattern\n"
    )
    run("order", "TEA-GREEN-100=5000")
    assert len(set(keys(signed_in))) == 2


def test_orders_are_listed(signed_in: FakeShop, run: Run) -> None:
    signed_in.on("GET /orders", Answer(body=page(order("confirmed"))))

    shown = run("orders").stdout

    for part in (ORDER_ID, "confirmed", "11.25 EUR", "2 x TEA-GREEN-100"):
        assert part in shown


def test_pages_are_turned_up_to_the_limit(signed_in: FakeShop, run: Run) -> None:
    signed_in.on(
        "GET /orders",
        Answer(body=page(*[order()] * 100, next_cursor="next")),
        Answer(body=page(*[order()] * 20, next_cursor="more")),
    )

    assert len(json.loads(run("orders", "--limit", "120", "--json").stdout)) == 120
    assert [each.query for each in signed_in.asked("GET /orders")] == [
        {"limit": "100"},
        {"limit": "20", "cursor": "next"},
    ]


def test_an_order_is_cancelled_with_a_reason(signed_in: FakeShop, run: Run) -> None:
    signed_in.on(f"POST /orders/{ORDER_ID}/cancellation", Answer(body=order("cancelling")))

    result = run("cancel", ORDER_ID, "--reason", "ordered twice")

    assert (result.exit_code, result.stdout) == (0, f"Order {ORDER_ID} is cancelling.\n")
    assert signed_in.asked(f"POST /orders/{ORDER_ID}/cancellation")[0].json == {"reason": "ordered twice"}


def test_last_is_the_newest_order(signed_in: FakeShop, run: Run) -> None:
    signed_in.on("GET /orders", Answer(body=page(order())))
    signed_in.on(f"POST /orders/{ORDER_ID}/cancellation", Answer(body=order("cancelled")))

    assert run("cancel", "last").stdout == f"Order {ORDER_ID} is cancelled.\n"


def test_last_of_nothing_is_one_line(signed_in: FakeShop, run: Run) -> None:
    signed_in.on("GET /orders", Answer(body=page()))

    assert run("follow", "last").stderr == "shop: you have no orders yet: python -m shop browse\n"


def test_an_id_stays_one_part_of_the_path(signed_in: FakeShop, run: Run) -> None:
    assert run("show-order", "../stock/TEA?x=1").exit_code == 1
    assert [each.path for each in signed_in.requests if each.method == "GET"][-1] == "/orders/..%2Fstock%2FTEA%3Fx%3D1"


def test_a_price_in_yen_has_no_decimals(signed_in: FakeShop, run: Run) -> None:
    yen = {"amount": 1250, "currency": "JPY"}
    signed_in.on(
        "GET /orders", Answer(body=page(order(total=yen), order(total=yen | {"currency": "KWD"}), order(total=eur(5))))
    )

    shown = run("orders").stdout

    for amount in ("1250 JPY", "1.250 KWD", "0.05 EUR"):
        assert amount in shown
