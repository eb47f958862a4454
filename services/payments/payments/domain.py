"""What a payment is and what may happen to it: a pure state machine, no I/O.

A payment belongs to one order. Messages come from orders, from the payment provider and from the clock; each may
come twice, late, or in any order. `after` is defined for every state and every message.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum
from uuid import UUID

from chassis.messages import EventData
from chassis.money import Money
from pydantic import BaseModel, ConfigDict

from payments.events import PaymentCaptured, PaymentDeclined, PaymentRefunded, PaymentVoided

TIMED_OUT = "The payment provider did not answer in time."
STOPPED = "The payment was stopped by the payment provider."


class State(StrEnum):
    REQUESTED = "requested"
    """To be captured; perhaps the provider was asked, but it has not told the outcome."""
    GIVING_UP = "giving_up"
    """No outcome in time: to be voided at the provider, lest it captures late. Then declined."""
    CANCELLING = "cancelling"
    """The order is off before the outcome was known: to be voided, or refunded if it was captured."""
    CAPTURED = "captured"
    DECLINED = "declined"
    REFUNDING = "refunding"
    """Captured, and to be given back."""
    REFUNDED = "refunded"
    VOIDED = "voided"
    """Nothing was captured and nothing ever will be."""


class Operation(StrEnum):
    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"


OPERATIONS: Mapping[State, Operation] = {
    State.REQUESTED: Operation.CAPTURE,
    State.GIVING_UP: Operation.VOID,
    State.CANCELLING: Operation.VOID,
    State.REFUNDING: Operation.REFUND,
}
"""What the provider is to be asked in a state. In all other states nothing is left to do."""


class Charge(BaseModel):
    """What is to be captured. `method` is a token of the customer's way to pay, never a card number."""

    model_config = ConfigDict(frozen=True)

    amount: Money
    method: str


class Payment(BaseModel):
    """A payment after `version` changes, the last of them at `changed_at`.

    charge: None when the order was off before it was ever to be paid: the payment only keeps it from being paid later.
    reason: for people, why it was declined.
    provider_reference: the provider's own id of what it captured.
    """

    model_config = ConfigDict(frozen=True)

    id: UUID
    order_id: UUID
    customer_id: str
    charge: Charge | None
    state: State
    version: int
    changed_at: datetime
    reason: str | None = None
    provider_reference: str | None = None

    @property
    def operation(self) -> Operation | None:
        return OPERATIONS.get(self.state)

    @property
    def due(self) -> Charge:
        """The charge of a payment that has one."""
        if self.charge is None:
            raise ValueError(f"payment {self.id} was never to be captured")
        return self.charge


@dataclass(frozen=True, slots=True)
class Reserved:
    """Orders: the stock is reserved, so it is time to pay."""

    order_id: UUID
    customer_id: str
    charge: Charge


@dataclass(frozen=True, slots=True)
class Cancelling:
    """Orders: the order is off; what was captured goes back."""

    order_id: UUID
    customer_id: str


@dataclass(frozen=True, slots=True)
class Captured:
    """The provider: it has the money. Final, but for a refund of ours."""

    provider_reference: str


@dataclass(frozen=True, slots=True)
class Declined:
    """The provider: it will never capture this payment. `reason` is for people."""

    reason: str


@dataclass(frozen=True, slots=True)
class Voided:
    """The provider: nothing was captured, and nothing ever will be."""


@dataclass(frozen=True, slots=True)
class Refunded:
    """The provider: the money is on its way back."""


@dataclass(frozen=True, slots=True)
class CaptureTimedOut:
    """The clock: the provider has had long enough to tell the outcome of a capture."""


Request = Reserved | Cancelling
Answer = Captured | Declined | Voided | Refunded
Message = Request | Answer | CaptureTimedOut


class Contradiction(Exception):
    """The provider says what cannot be after what it has said before. A person has to look into it."""

    def __init__(self, payment: Payment, message: Message) -> None:
        super().__init__(f"payment {payment.id} is {payment.state}, and now {type(message).__name__.lower()}")


class _Step(Enum):
    REPEAT = "the answer to orders, if there is one yet, is given again"
    NOTHING = "known already"
    NEVER = "a Contradiction"


_REPEAT, _NOTHING, _NEVER = _Step.REPEAT, _Step.NOTHING, _Step.NEVER
_S = State
_COLUMNS = (Reserved, Cancelling, Captured, Declined, Voided, Refunded, CaptureTimedOut)
_ROWS: Mapping[State, tuple[State | _Step, ...]] = {
    _S.REQUESTED: (_REPEAT, _S.CANCELLING, _S.CAPTURED, _S.DECLINED, _S.DECLINED, _NEVER, _S.GIVING_UP),
    _S.GIVING_UP: (_REPEAT, _S.CANCELLING, _S.CAPTURED, _S.DECLINED, _S.DECLINED, _NEVER, _NOTHING),
    _S.CANCELLING: (_REPEAT, _REPEAT, _S.REFUNDING, _S.VOIDED, _S.VOIDED, _NEVER, _NOTHING),
    _S.CAPTURED: (_REPEAT, _S.REFUNDING, _NOTHING, _NEVER, _NEVER, _NEVER, _NOTHING),
    _S.DECLINED: (_REPEAT, _S.VOIDED, _NEVER, _NOTHING, _NOTHING, _NEVER, _NOTHING),
    _S.REFUNDING: (_REPEAT, _REPEAT, _NOTHING, _NEVER, _NEVER, _S.REFUNDED, _NOTHING),
    _S.REFUNDED: (_REPEAT, _REPEAT, _NOTHING, _NEVER, _NEVER, _NOTHING, _NOTHING),
    _S.VOIDED: (_REPEAT, _REPEAT, _NEVER, _NOTHING, _NOTHING, _NEVER, _NOTHING),
}
_TABLE: Mapping[tuple[State, type[Message]], State | _Step] = {
    (state, message): step for state, row in _ROWS.items() for message, step in zip(_COLUMNS, row, strict=True)
}


def begin(request: Request, *, payment_id: UUID, now: datetime) -> tuple[Payment, EventData | None]:
    """The payment of an order that was unknown so far, and the event about it, if there is one."""
    payment = Payment(
        id=payment_id,
        order_id=request.order_id,
        customer_id=request.customer_id,
        charge=request.charge if isinstance(request, Reserved) else None,
        state=State.REQUESTED if isinstance(request, Reserved) else State.VOIDED,
        version=1,
        changed_at=now,
    )
    return payment, outcome_event(payment)


def after(payment: Payment, message: Message, now: datetime) -> tuple[Payment, EventData | None]:
    """The payment after the message (the same object if nothing changed), and the event about it, if there is one.

    Raises Contradiction.
    """
    match _TABLE[payment.state, type(message)]:
        case _Step.NEVER:
            raise Contradiction(payment, message)
        case _Step.NOTHING:
            return payment, None
        case _Step.REPEAT:
            return payment, outcome_event(payment)
        case state:
            changed = {"state": state, "version": payment.version + 1, "changed_at": now} | _learned(payment, message)
            payment = payment.model_copy(update=changed)
            return payment, outcome_event(payment)


def outcome_event(payment: Payment) -> EventData | None:
    """The event about a payment in this state; None while it has no outcome."""
    order_id, payment_id = payment.order_id, payment.id
    match payment.state:
        case State.CAPTURED:
            return PaymentCaptured(order_id=order_id, payment_id=payment_id, amount=payment.due.amount)
        case State.DECLINED:
            return PaymentDeclined(order_id=order_id, payment_id=payment_id, reason=payment.reason or STOPPED)
        case State.REFUNDED:
            return PaymentRefunded(order_id=order_id, payment_id=payment_id, amount=payment.due.amount)
        case State.VOIDED:
            return PaymentVoided(order_id=order_id, payment_id=payment_id)
        case _:
            return None


def idempotency_key(payment: Payment, operation: Operation) -> str:
    """The same for every attempt: however often the provider is asked, it acts once."""
    return f"{payment.id}:{operation}"


def _learned(payment: Payment, message: Message) -> dict[str, str | None]:
    match message:
        case Captured(provider_reference):
            return {"provider_reference": provider_reference, "reason": None}
        case Declined(reason):
            return {"reason": reason}
        case CaptureTimedOut():
            return {"reason": TIMED_OUT}
        case _:
            return {}
