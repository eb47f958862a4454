"""The state machine of a payment, every state with every message, without any I/O."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from chassis.money import Money
from hypothesis import given
from hypothesis import strategies as st
from payments import domain
from payments.domain import (
    Cancelling,
    Captured,
    CaptureTimedOut,
    Charge,
    Contradiction,
    Declined,
    Message,
    Operation,
    Payment,
    Refunded,
    Request,
    Reserved,
    State,
    Voided,
)
from payments.events import PaymentDeclined

ORDER = UUID(int=1)
PAYMENT = UUID(int=2)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(seconds=5)
CHARGE = Charge(amount=Money(amount=1250, currency="EUR"), method="card")

RESERVED, CANCELLING = Reserved(ORDER, "ada", CHARGE), Cancelling(ORDER, "ada")
MESSAGES: list[Message] = [
    RESERVED,
    CANCELLING,
    Captured("pay_1"),
    Declined("No money."),
    Voided(),
    Refunded(),
    CaptureTimedOut(),
]
# What a state becomes by each message, in the order of MESSAGES. "again": nothing changes, and what is known is told
# again. "-": nothing happens. "!": the provider contradicts itself.
TABLE = """
               reserved  cancelling  captured   declined  voided    refunded  patience over
    requested  again     cancelling  captured   declined  declined  !         giving_up
    giving_up  again     cancelling  captured   declined  declined  !         -
    cancelling again     again       refunding  voided    voided    !         -
    captured   again     refunding   -          !         !         !         -
    declined   again     voided      !          -         -         !         -
    refunding  again     again       -          !         !         refunded  -
    refunded   again     again       -          !         !         -         -
    voided     again     again       !          -         -         !         -
"""
ROWS = [line.split() for line in TABLE.strip().splitlines()[1:]]
STEPS = {State(state): list(zip(MESSAGES, steps, strict=True)) for state, *steps in ROWS}
TOLD = {
    "captured": "payment.captured",
    "declined": "payment.declined",
    "refunded": "payment.refunded",
    "voided": "payment.voided",
}


def payment(state: State) -> Payment:
    return Payment(
        id=PAYMENT, order_id=ORDER, customer_id="ada", charge=CHARGE, state=state, version=7, changed_at=NOON
    )


def test_the_table_has_a_row_for_every_state() -> None:
    assert [state for state, *_ in ROWS] == list(State)


@pytest.mark.parametrize("state", State)
def test_every_state_knows_what_to_make_of_every_message(state: State) -> None:
    before = payment(state)
    for message, step in STEPS[state]:
        if step == "!":
            with pytest.raises(Contradiction, match=str(state)):
                domain.after(before, message, LATER)
            continue

        after, outcome = domain.after(before, message, LATER)

        if step in ("again", "-"):
            assert after is before, message
            told = TOLD.get(state) if step == "again" else None
        else:
            assert (after.state, after.version, after.changed_at) == (State(step), 8, LATER), message
            told = TOLD.get(step)
        assert (outcome.type if outcome else None) == told, message


@pytest.mark.parametrize(
    ("request_", "state", "operation", "told"),
    [(RESERVED, State.REQUESTED, Operation.CAPTURE, None), (CANCELLING, State.VOIDED, None, "payment.voided")],
    ids=["reserved", "cancelling"],
)
def test_an_unknown_order_begins_with_a_payment_that_is_asked_for_or_that_will_never_be(
    request_: Request, state: State, operation: Operation | None, told: str | None
) -> None:
    begun, outcome = domain.begin(request_, payment_id=PAYMENT, now=NOON)

    assert (begun.state, begun.version, begun.operation, begun.changed_at) == (state, 1, operation, NOON)
    assert (begun.id, begun.order_id, begun.customer_id) == (PAYMENT, ORDER, "ada")
    assert (outcome.type if outcome else None) == told


def test_a_payment_without_a_charge_has_nothing_due() -> None:
    begun, _ = domain.begin(CANCELLING, payment_id=PAYMENT, now=NOON)

    with pytest.raises(ValueError, match="never to be captured"):
        _ = begun.due


@pytest.mark.parametrize(
    ("state", "message", "reason"),
    [
        (State.REQUESTED, Declined("No money."), "No money."),
        (State.REQUESTED, Voided(), "The payment was stopped by the payment provider."),
        (State.GIVING_UP, Declined("No money."), "No money."),
    ],
)
def test_orders_is_told_why_a_payment_was_declined(state: State, message: Message, reason: str) -> None:
    _, outcome = domain.after(payment(state), message, LATER)

    assert outcome == PaymentDeclined(order_id=ORDER, payment_id=PAYMENT, reason=reason)


def test_a_payment_that_was_given_up_is_declined_for_want_of_an_answer() -> None:
    given_up, _ = domain.after(payment(State.REQUESTED), CaptureTimedOut(), LATER)
    _, outcome = domain.after(given_up, Voided(), LATER)

    reason = "The payment provider did not answer in time."
    assert outcome == PaymentDeclined(order_id=ORDER, payment_id=PAYMENT, reason=reason)


def test_what_the_provider_captured_is_known_by_its_name_for_it() -> None:
    captured, _ = domain.after(payment(State.GIVING_UP), Captured("pay_1"), LATER)

    assert (captured.provider_reference, captured.reason) == ("pay_1", None)


def test_each_operation_on_each_payment_has_a_key_of_its_own_and_always_the_same() -> None:
    one, other = payment(State.REQUESTED), payment(State.REQUESTED).model_copy(update={"id": UUID(int=3)})
    keys = [domain.idempotency_key(each, operation) for each in (one, other) for operation in Operation]

    assert len(set(keys)) == len(keys)
    assert domain.idempotency_key(payment(State.REFUNDED), Operation.CAPTURE) == keys[0]


@given(st.lists(st.sampled_from(MESSAGES), max_size=12))
def test_no_sequence_of_messages_tells_two_facts_under_one_number(messages: list[Message]) -> None:
    known, outcome = domain.begin(RESERVED, payment_id=PAYMENT, now=NOON)
    told: dict[int, object] = {}
    for message in messages:
        try:
            known, outcome = domain.after(known, message, LATER)
        except Contradiction:
            continue
        if outcome is not None:
            assert told.setdefault(known.version, outcome) == outcome
