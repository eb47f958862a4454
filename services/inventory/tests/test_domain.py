"""The rules of a reservation, without any I/O."""

from datetime import UTC, datetime, timedelta
from itertools import product
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inventory import domain
from inventory.domain import RESERVED_FOR, Fact, Message, Move, Quantities, Reservation, State
from inventory.events import Shortage, StockCommitted, StockRejected, StockReleased, StockReserved

ORDER = UUID(int=1)
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
LINES = {"CUP": 1, "TEA": 2}
PLENTY = {"CUP": 9, "TEA": 9}
TOO_FEW = {"CUP": 9, "TEA": 1}

UNKNOWN, RESERVED, EXPIRED, COMMITTED, REJECTED, RELEASED = State
PLACED, PAID, CANCELLED, OVERDUE = Message

# (state, message) -> the state that follows, how the pieces move, and what is answered.
TABLE: dict[tuple[State, Message], tuple[State, Move, str | None]] = {
    (UNKNOWN, PLACED): (RESERVED, Move.RESERVE, "stock.reserved"),
    (UNKNOWN, PAID): (REJECTED, Move.NOTHING, "stock.rejected"),
    (UNKNOWN, CANCELLED): (RELEASED, Move.NOTHING, "stock.released"),
    (UNKNOWN, OVERDUE): (UNKNOWN, Move.NOTHING, None),
    (RESERVED, PLACED): (RESERVED, Move.NOTHING, "stock.reserved"),
    (RESERVED, PAID): (COMMITTED, Move.COMMIT, "stock.committed"),
    (RESERVED, CANCELLED): (RELEASED, Move.FREE, "stock.released"),
    (RESERVED, OVERDUE): (EXPIRED, Move.FREE, None),
    (EXPIRED, PLACED): (EXPIRED, Move.NOTHING, "stock.reserved"),
    (EXPIRED, PAID): (COMMITTED, Move.TAKE, "stock.committed"),
    (EXPIRED, CANCELLED): (RELEASED, Move.NOTHING, "stock.released"),
    (EXPIRED, OVERDUE): (EXPIRED, Move.NOTHING, None),
    (COMMITTED, PLACED): (COMMITTED, Move.NOTHING, "stock.reserved"),
    (COMMITTED, PAID): (COMMITTED, Move.NOTHING, "stock.committed"),
    (COMMITTED, CANCELLED): (RELEASED, Move.RETURN, "stock.released"),
    (COMMITTED, OVERDUE): (COMMITTED, Move.NOTHING, None),
    (REJECTED, PLACED): (REJECTED, Move.NOTHING, "stock.rejected"),
    (REJECTED, PAID): (REJECTED, Move.NOTHING, "stock.rejected"),
    (REJECTED, CANCELLED): (RELEASED, Move.NOTHING, "stock.released"),
    (REJECTED, OVERDUE): (REJECTED, Move.NOTHING, None),
    (RELEASED, PLACED): (RELEASED, Move.NOTHING, "stock.released"),
    (RELEASED, PAID): (RELEASED, Move.NOTHING, "stock.released"),
    (RELEASED, CANCELLED): (RELEASED, Move.NOTHING, "stock.released"),
    (RELEASED, OVERDUE): (RELEASED, Move.NOTHING, None),
}


def reservation(
    *messages: Message, available: Quantities = PLENTY, then: Quantities | None = None, now: datetime = NOON
) -> Reservation:
    """What becomes of an unknown reservation. available, then: at the first message, and at all others."""
    found = Reservation(order_id=ORDER, lines=LINES)
    for number, message in enumerate(messages):
        left = then if number and then is not None else available
        found = domain.change(found, message, available=left, now=now).after
    return found


IN_STATE = {
    UNKNOWN: reservation(),
    RESERVED: reservation(PLACED),
    EXPIRED: reservation(PLACED, OVERDUE),
    COMMITTED: reservation(PLACED, PAID),
    REJECTED: reservation(PLACED, available=TOO_FEW),
    RELEASED: reservation(PLACED, CANCELLED),
}


def test_every_state_can_be_reached_and_every_pair_is_defined() -> None:
    assert {state: found.state for state, found in IN_STATE.items()} == {state: state for state in State}
    assert set(TABLE) == set(product(State, Message))
    assert {pair for pair, (to, _, _) in TABLE.items() if to is not pair[0]} == set(domain.RULES)


def test_each_message_has_one_effect_and_one_answer_in_each_state() -> None:
    for (state, message), (to, move, told) in TABLE.items():
        before = IN_STATE[state]

        after, moved = domain.change(before, message, available=PLENTY, now=NOON)

        case = f"{message} in {state}"
        assert (after.state, moved, domain.wanted_move(before, message)) == (to, move, move), case
        assert after.version == before.version + (to is not state), case
        assert told is None or domain.answer(after, message).data.type == told, case


@pytest.mark.parametrize(("state", "message"), [(UNKNOWN, PLACED), (EXPIRED, PAID)])
def test_too_few_pieces_of_one_article_reject_the_whole_order(state: State, message: Message) -> None:
    before = IN_STATE[state]

    after, moved = domain.change(before, message, available=TOO_FEW, now=NOON)

    assert (after.state, after.version, moved) == (REJECTED, before.version + 1, Move.NOTHING)
    assert domain.answer(after, message) == Fact(
        StockRejected(
            order_id=ORDER,
            reason="Not enough in stock: TEA (1 of 2).",
            short=(Shortage(sku="TEA", wanted=2, available=1),),
        ),
        before.version + 1,
    )


@pytest.mark.parametrize(
    ("move", "on_hand", "reserved", "needs_available"),
    [
        (Move.NOTHING, 0, 0, False),
        (Move.RESERVE, 0, 1, True),
        (Move.FREE, 0, -1, False),
        (Move.COMMIT, -1, -1, False),
        (Move.TAKE, -1, 0, True),
        (Move.RETURN, 1, 0, False),
    ],
)
def test_only_a_move_that_makes_fewer_pieces_available_needs_them(
    move: Move, on_hand: int, reserved: int, needs_available: bool
) -> None:
    assert (move.on_hand, move.reserved, move.needs_available) == (on_hand, reserved, needs_available)


def test_a_reservation_lasts_a_quarter_of_an_hour() -> None:
    fact = domain.answer(reservation(PLACED), PLACED)

    assert fact == Fact(StockReserved(order_id=ORDER, expires_at=NOON + timedelta(minutes=15)), 1)


def test_the_last_piece_may_be_reserved() -> None:
    assert reservation(PLACED, available=LINES).state is RESERVED


def test_an_article_that_was_never_in_stock_is_short() -> None:
    assert reservation(PLACED, available={"TEA": 2}).short == (Shortage(sku="CUP", wanted=1, available=0),)


def test_the_reason_names_a_few_articles_and_counts_the_rest() -> None:
    wanted = Reservation(order_id=ORDER, lines={f"TEA-{number}": 2 for number in range(5)})

    rejected = domain.answer(domain.change(wanted, PLACED, available={"TEA-1": 1}, now=NOON).after, PLACED).data

    assert isinstance(rejected, StockRejected)
    assert rejected.reason == "Not enough in stock: TEA-0 (0 of 2), TEA-1 (1 of 2), TEA-2 (0 of 2) and 2 more."
    assert [one.sku for one in rejected.short] == [f"TEA-{number}" for number in range(5)]


def test_an_order_that_is_paid_without_a_reservation_is_rejected_and_never_reserved_later() -> None:
    answers = [domain.answer(reservation(PAID, *more), (PAID, *more)[-1]) for more in [(), (PLACED,), (PAID,)]]

    nothing = StockRejected(order_id=ORDER, reason="Nothing was reserved for this order.", short=())
    assert answers == [Fact(nothing, 1)] * 3


def test_an_order_that_was_rejected_after_its_payment_had_been_reserved() -> None:
    """To repeat order.placed brings what was answered to it, and not what came of order.paid."""
    rejected = reservation(PLACED, OVERDUE, PAID, then=TOO_FEW)

    assert (rejected.state, rejected.version) == (REJECTED, 3)
    assert domain.answer(rejected, PLACED) == Fact(StockReserved(order_id=ORDER, expires_at=NOON + RESERVED_FOR), 1)
    assert domain.answer(rejected, PAID).sequence == 3


def test_a_message_that_nobody_sends_has_no_answer() -> None:
    with pytest.raises(ValueError, match="overdue leaves no reservation expired"):
        domain.answer(IN_STATE[EXPIRED], OVERDUE)


availability = st.fixed_dictionaries({"CUP": st.integers(0, 3), "TEA": st.integers(0, 3)})


@given(st.lists(st.tuples(st.sampled_from(Message), availability), max_size=12))
def test_in_any_history_a_sequence_is_one_fact_and_a_later_fact_has_a_greater_one(
    history: list[tuple[Message, Quantities]],
) -> None:
    found = Reservation(order_id=ORDER, lines=LINES)
    facts: dict[int, object] = {}
    newest = 0
    for minute, (message, available) in enumerate(history):
        now = NOON + timedelta(minutes=minute)
        before, (found, _) = found, domain.change(found, message, available=available, now=now)
        if message is OVERDUE:
            continue
        fact = domain.answer(found, message)
        assert facts.setdefault(fact.sequence, fact.data) == fact.data
        if found is not before:
            assert fact.sequence == found.version > newest
            newest = fact.sequence
        assert fact == domain.answer(domain.change(found, message, available={}, now=now).after, message)


@given(st.lists(st.sampled_from(Message), max_size=12))
def test_in_any_history_what_is_moved_is_what_the_state_says(messages: list[Message]) -> None:
    """Pieces are set aside while the reservation is `reserved`, have left while it is `committed`, else neither."""
    found = Reservation(order_id=ORDER, lines=LINES)
    on_hand = reserved = 0
    for message in messages:
        found, move = domain.change(found, message, available=PLENTY, now=NOON)
        on_hand, reserved = on_hand + move.on_hand, reserved + move.reserved
        assert (on_hand, reserved) == (-int(found.state is COMMITTED), int(found.state is RESERVED))


def test_what_is_told_names_the_order_and_nothing_more() -> None:
    assert domain.answer(IN_STATE[COMMITTED], PAID) == Fact(StockCommitted(order_id=ORDER), 2)
    assert domain.answer(IN_STATE[RELEASED], CANCELLED) == Fact(StockReleased(order_id=ORDER), 2)
