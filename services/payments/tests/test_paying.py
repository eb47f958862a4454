"""What orders asks for is done at the provider, and told."""

from uuid import uuid4

import pytest

from .shop import Shop, cancelling, reserved


async def test_an_order_that_is_reserved_is_paid_and_orders_is_told_how_much(shop: Shop) -> None:
    order = uuid4()
    await shop.receive(reserved(order, 1250))
    await shop.work()

    [event] = await shop.published(order)
    assert (event.type, event.source, event.sequence) == ("payment.captured", "payments", 2)
    assert event.data["order_id"] == str(order)
    assert event.data["amount"] == {"amount": 1250, "currency": "EUR"}
    assert await shop.taken(order) == (1250, 0)


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ("card-declined", "The card was declined."),
        ("card-insufficient-funds", "There is not enough money on the card."),
        ("cheque", "This way to pay is not known."),
    ],
)
async def test_a_refusal_is_final_and_told_with_its_reason(shop: Shop, method: str, reason: str) -> None:
    order = uuid4()
    await shop.receive(reserved(order, method=method))
    await shop.work()

    [event] = await shop.published(order)
    assert (event.type, event.data["reason"]) == ("payment.declined", reason)
    assert await shop.taken(order) == (0, 0)


async def test_a_capture_whose_answer_was_lost_is_asked_for_again_and_made_once(shop: Shop) -> None:
    order = uuid4()
    await shop.receive(reserved(order, method="card-flaky"))
    await shop.work()
    assert await shop.told(order) == []

    await shop.pass_time(1)

    assert await shop.told(order) == [("payment.captured", 2)]
    assert await shop.taken(order) == (1250, 0)


async def test_a_slow_payment_is_captured_once_though_its_result_comes_twice(shop: Shop) -> None:
    order = uuid4()
    await shop.receive(reserved(order, method="card-slow"))
    await shop.work()
    assert await shop.told(order) == []

    await shop.pass_time(10)

    assert await shop.told(order) == [("payment.captured", 2)]
    assert await shop.taken(order) == (1250, 0)


async def test_a_provider_that_does_not_answer_is_given_up_after_twenty_seconds_and_captures_nothing_later(
    shop: Shop,
) -> None:
    order = uuid4()
    await shop.receive(reserved(order, method="card-timeout"))
    await shop.work()
    await shop.pass_time(19)
    assert await shop.told(order) == []

    await shop.pass_time(1)
    [event] = await shop.published(order)
    assert (event.type, event.data["reason"]) == ("payment.declined", "The payment provider did not answer in time.")

    await shop.pass_time(120)
    assert await shop.taken(order) == (0, 0)


async def test_a_captured_payment_is_given_back_when_its_order_is_cancelled(shop: Shop) -> None:
    order = uuid4()
    await shop.receive(reserved(order))
    await shop.work()
    await shop.receive(cancelling(order))
    await shop.work()

    [_, event] = await shop.published(order)
    assert (event.type, event.sequence) == ("payment.refunded", 4)
    assert event.data["amount"] == {"amount": 1250, "currency": "EUR"}
    assert await shop.taken(order) == (1250, 1250)


async def test_an_order_that_is_cancelled_before_the_provider_was_asked_is_never_captured(shop: Shop) -> None:
    order = uuid4()
    await shop.receive(reserved(order), cancelling(order))
    await shop.work()

    assert await shop.told(order) == [("payment.voided", 3)]
    assert await shop.taken(order) == (0, 0)


@pytest.mark.parametrize("method", ["card-slow", "card-timeout"])
async def test_an_order_that_is_cancelled_while_the_provider_works_on_it_is_never_captured(
    shop: Shop, method: str
) -> None:
    order = uuid4()
    await shop.receive(reserved(order, method=method))
    await shop.work()
    await shop.receive(cancelling(order))
    await shop.work()

    assert await shop.told(order) == [("payment.voided", 3)]
    await shop.pass_time(120)
    assert await shop.told(order) == [("payment.voided", 3)]
    assert await shop.taken(order) == (0, 0)


async def test_an_order_that_is_cancelled_after_a_capture_whose_answer_was_lost_gets_its_money_back(shop: Shop) -> None:
    order = uuid4()
    await shop.receive(reserved(order, method="card-flaky"))
    await shop.work()
    await shop.receive(cancelling(order))
    await shop.work()

    assert await shop.told(order) == [("payment.refunded", 4)]
    assert await shop.taken(order) == (1250, 1250)


async def test_a_declined_payment_of_a_cancelled_order_is_voided(shop: Shop) -> None:
    order = uuid4()
    await shop.receive(reserved(order, method="card-declined"))
    await shop.work()
    await shop.receive(cancelling(order))

    assert await shop.told(order) == [("payment.declined", 2), ("payment.voided", 3)]


async def test_an_order_that_was_cancelled_first_is_not_paid_when_it_is_reserved_later(shop: Shop) -> None:
    order = uuid4()
    await shop.receive(cancelling(order), reserved(order))
    await shop.work()

    [first, again] = await shop.published(order)
    assert (first.type, first.sequence, first.data) == ("payment.voided", 1, again.data)
    assert await shop.told(order) == [("payment.voided", 1)] * 2
    assert await shop.taken(order) == (0, 0)


async def test_a_question_that_is_repeated_is_answered_with_the_same_fact(shop: Shop) -> None:
    order = uuid4()
    await shop.receive(reserved(order))
    await shop.work()
    await shop.receive(reserved(order, 999))
    await shop.receive(cancelling(order))
    await shop.work()
    await shop.receive(cancelling(order), reserved(order))
    await shop.work()

    events = await shop.published(order)
    facts = [(event.type, event.sequence, event.occurred_at, event.data) for event in events]
    assert [fact[:2] for fact in facts] == [("payment.captured", 2)] * 2 + [("payment.refunded", 4)] * 3
    assert facts[0] == facts[1]
    assert facts[2] == facts[3] == facts[4]
    assert len({event.id for event in events}) == len(events)
    assert await shop.taken(order) == (1250, 1250)


@pytest.mark.parametrize("question", [reserved, cancelling])
async def test_a_question_that_is_repeated_while_the_answer_is_not_known_is_not_answered(
    shop: Shop, question: type
) -> None:
    order = uuid4()
    await shop.receive(reserved(order, method="card-slow"), question(order), question(order))

    assert await shop.told(order) == []
