"""The life of a reservation: pure functions of a reservation, a message and what is available, no I/O.

A reservation belongs to one order. Messages about it come twice, late and out of order, so every message is defined
in every state, and whatever no longer changes anything is answered again.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum, StrEnum
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

from chassis.messages import EventData
from pydantic import BaseModel, ConfigDict

from inventory.events import Shortage, StockCommitted, StockRejected, StockReleased, StockReserved

RESERVED_FOR = timedelta(minutes=15)
MAX_ON_HAND = 10**9
"""What the staff may set. Pieces that come back from a cancelled order may lift it a little above."""

_NAMED_SHORTAGES = 3

Quantities = Mapping[str, int]
"""Pieces by SKU."""


class State(StrEnum):
    UNKNOWN = "unknown"  # never stored: nothing was heard of the order yet
    RESERVED = "reserved"
    EXPIRED = "expired"
    COMMITTED = "committed"
    REJECTED = "rejected"
    RELEASED = "released"


class Message(StrEnum):
    """What may happen to a reservation."""

    PLACED = "placed"
    PAID = "paid"
    CANCELLED = "cancelled"
    OVERDUE = "overdue"  # by the clock, and not by an event


class Move(Enum):
    """How the pieces of a reservation move: the signs with which they count in (on_hand, reserved)."""

    NOTHING = (0, 0)
    RESERVE = (0, 1)
    FREE = (0, -1)
    COMMIT = (-1, -1)
    TAKE = (-1, 0)
    RETURN = (1, 0)

    @property
    def on_hand(self) -> int:
        return self.value[0]

    @property
    def reserved(self) -> int:
        return self.value[1]

    @property
    def needs_available(self) -> bool:
        """True for what makes fewer pieces available, and so may fail."""
        return self.on_hand < self.reserved


class Rule(NamedTuple):
    """The state that follows, and the move on the way. A move for which too little is available leads to REJECTED."""

    to: State
    move: Move = Move.NOTHING


RULES: Mapping[tuple[State, Message], Rule] = MappingProxyType(
    {
        (State.UNKNOWN, Message.PLACED): Rule(State.RESERVED, Move.RESERVE),
        # Only an order with reserved stock is paid, so the reservation was lost; the money must go back.
        (State.UNKNOWN, Message.PAID): Rule(State.REJECTED),
        (State.UNKNOWN, Message.CANCELLED): Rule(State.RELEASED),
        (State.RESERVED, Message.PAID): Rule(State.COMMITTED, Move.COMMIT),
        (State.RESERVED, Message.CANCELLED): Rule(State.RELEASED, Move.FREE),
        (State.RESERVED, Message.OVERDUE): Rule(State.EXPIRED, Move.FREE),
        (State.EXPIRED, Message.PAID): Rule(State.COMMITTED, Move.TAKE),
        (State.EXPIRED, Message.CANCELLED): Rule(State.RELEASED),
        (State.COMMITTED, Message.CANCELLED): Rule(State.RELEASED, Move.RETURN),
        (State.REJECTED, Message.CANCELLED): Rule(State.RELEASED),
    }
)
"""What changes a reservation. Every other pair of state and message changes nothing."""


class Reservation(BaseModel):
    """The reservation of one order after `version` changes of its state.

    expires_at: None when stock was never reserved. short: why the order was rejected, if it was.
    """

    model_config = ConfigDict(frozen=True)

    order_id: UUID
    state: State = State.UNKNOWN
    version: int = 0
    lines: Quantities = {}
    expires_at: datetime | None = None
    short: tuple[Shortage, ...] = ()


class Fact(NamedTuple):
    """The data of an event, and its sequence: the version of the reservation from which on it was true."""

    data: EventData
    sequence: int


class Change(NamedTuple):
    """The reservation after a message, and how its pieces have to move for it."""

    after: Reservation
    move: Move


def wanted_move(before: Reservation, message: Message) -> Move:
    """How the pieces are to move because of the message, if those available allow it."""
    rule = RULES.get((before.state, message))
    return rule.move if rule else Move.NOTHING


def change(before: Reservation, message: Message, *, available: Quantities, now: datetime) -> Change:
    """What the message makes of the reservation; the same one when nothing changes.

    available: of every SKU of the reservation, in so far as it is known; only asked for moves that need it.
    """
    rule = RULES.get((before.state, message))
    if rule is None:
        return Change(before, Move.NOTHING)
    changed: dict[str, object] = {"state": rule.to, "version": before.version + 1}
    move = rule.move
    if move.needs_available and (short := _short(before.lines, available)):
        changed |= {"state": State.REJECTED, "short": short}
        move = Move.NOTHING
    elif rule.to is State.RESERVED:
        changed["expires_at"] = now + RESERVED_FOR
    return Change(before.model_copy(update=changed), move)


def answer(reservation: Reservation, message: Message) -> Fact:
    """What the sender of the message is told, given the reservation as it is after it. Nobody sends OVERDUE.

    It follows from the reservation alone, so a message that is repeated is answered with the same fact.
    """
    order_id, version = reservation.order_id, reservation.version
    if reservation.state is State.RELEASED:
        return Fact(StockReleased(order_id=order_id), version)
    if message is Message.PLACED and reservation.expires_at is not None:
        # Stock is reserved in the first change of a reservation or never, whatever became of it since.
        return Fact(StockReserved(order_id=order_id, expires_at=reservation.expires_at), 1)
    if reservation.state is State.REJECTED:
        return Fact(StockRejected(order_id=order_id, reason=_reason(reservation), short=reservation.short), version)
    if reservation.state is State.COMMITTED:
        return Fact(StockCommitted(order_id=order_id), version)
    raise ValueError(f"{message} leaves no reservation {reservation.state}")


def _short(wanted: Quantities, available: Quantities) -> tuple[Shortage, ...]:
    return tuple(
        Shortage(sku=sku, wanted=quantity, available=max(available.get(sku, 0), 0))
        for sku, quantity in sorted(wanted.items())
        if available.get(sku, 0) < quantity
    )


def _reason(reservation: Reservation) -> str:
    if not reservation.short:
        return "Nothing was reserved for this order."
    named = [f"{one.sku} ({one.available} of {one.wanted})" for one in reservation.short[:_NAMED_SHORTAGES]]
    others = len(reservation.short) - len(named)
    return f"Not enough in stock: {', '.join(named)}{f' and {others} more' if others else ''}."
