"""What a person is told: one entry of the activity log for each event. No I/O.

The events belong to other services, which may add to them at any time: only what an entry is made of is read
here, and everything else is left alone.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

# ISO 4217, list one: the currencies whose minor unit is not a hundredth.
_CURRENCIES_BY_DECIMALS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_DECIMALS = {code: decimals for decimals, codes in _CURRENCIES_BY_DECIMALS.items() for code in codes.split()}


class Kind(StrEnum):
    """What an entry is about: the type of its event."""

    USER_CREATED = "user.created"
    ORDER_PLACED = "order.placed"
    ORDER_CANCELLED = "order.cancelled"


class Activity(BaseModel):
    """An entry in the log of one person.

    `id` is the event's, so that one event makes one entry however often it comes. `reference` is the id of what the
    entry is about: the order, or the person.
    """

    model_config = ConfigDict(frozen=True)

    id: UUID
    person_id: str
    kind: Kind
    text: str
    occurred_at: datetime
    reference: str


class _Data(BaseModel):
    """The part of an event's data that an entry needs. Without it the event cannot be understood."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class UserCreated(_Data):
    user_id: str
    name: str


class Total(_Data):
    amount: int = Field(ge=0)
    currency: str = Field(pattern="^[A-Z]{3}$")


class OrderPlaced(_Data):
    order_id: str
    customer_id: str
    total: Total


class OrderCancelled(_Data):
    order_id: str
    customer_id: str
    reason: str | None = None


def activity(event_id: UUID, kind: Kind, occurred_at: datetime, data: Mapping[str, Any]) -> Activity:
    """The entry for one event.

    Raises pydantic.ValidationError when something that the entry needs is missing from `data` or is of another type.
    """
    match kind:
        case Kind.USER_CREATED:
            user = UserCreated.model_validate(data)
            person_id, reference = user.user_id, user.user_id
            text = f"Welcome, {user.name}."
        case Kind.ORDER_PLACED:
            placed = OrderPlaced.model_validate(data)
            person_id, reference = placed.customer_id, placed.order_id
            text = f"You placed order {placed.order_id} for {written(placed.total)}."
        case Kind.ORDER_CANCELLED:
            cancelled = OrderCancelled.model_validate(data)
            person_id, reference = cancelled.customer_id, cancelled.order_id
            text = f"Order {cancelled.order_id} was cancelled" + (f": {cancelled.reason}" if cancelled.reason else ".")
    return Activity(
        id=event_id, person_id=person_id, kind=kind, text=text, occurred_at=occurred_at, reference=reference
    )


def written(total: Total) -> str:
    """An amount as people read it: 1250 of EUR is `12.50 EUR`, of JPY `1250 JPY`."""
    decimals = _DECIMALS.get(total.currency, 2)
    return f"{Decimal(total.amount).scaleb(-decimals):.{decimals}f} {total.currency}"
