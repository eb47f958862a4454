"""What a person is told: one entry of the activity log for each fact. No I/O."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from uuid import UUID, uuid5

from chassis.messages import Event
from pydantic import BaseModel, ConfigDict

from notifications.events import READ, OrderCancelled, OrderConfirmed, OrderPlaced, Total, UserCreated
from notifications.templates import CANCELLATION_CAUSES, TEMPLATES

RETENTION = timedelta(days=400)
"""People look up what they ordered a year ago, and a bit more. After that an entry is personal data without a use: the
orders themselves are kept where they were placed."""
MAX_QUOTED_CHARACTERS = 500
"""What somebody else wrote is cut here: an entry stays well below a kilobyte or two, by which DynamoDB is paid."""

_FACTS = UUID("5f0c7b1e-6a53-4c0e-9d0d-0f4f6a1f3c52")
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
    ORDER_CONFIRMED = "order.confirmed"
    ORDER_CANCELLED = "order.cancelled"


class Entry(BaseModel):
    """An entry in the log of one person.

    `id` is the fact's: one fact makes one entry, however often and under whatever event ids it is told. `kind` is a
    Kind, or one that a newer version of this service knows. `reference` is the id of what the entry is about: the
    order, or the person.
    """

    model_config = ConfigDict(frozen=True)

    id: UUID
    person_id: str
    kind: str
    title: str
    text: str
    occurred_at: datetime
    reference: str

    @property
    def expires_at(self) -> int:
        """In seconds since 1970."""
        return int(self.occurred_at.timestamp() + RETENTION.total_seconds())


def fact_id(event: Event) -> UUID:
    """The same for the same fact: who publishes an event again may give it a new id."""
    return uuid5(_FACTS, json.dumps([event.source, event.aggregate_id, event.sequence]))


def entry_of(event: Event) -> Entry:
    """The entry that tells of an event.

    Raises what chassis.messages.EventReader raises when something that the entry needs is missing or of another type.
    """
    match READ[event.type](event):
        case UserCreated() as user:
            person_id, reference = user.user_id, user.user_id
            words = {"name": _truncated(user.name)}
        case OrderPlaced() | OrderConfirmed() as order:
            person_id, reference = order.customer_id, order.order_id
            words = {"order_id": order.order_id, "total": format_amount(order.total)}
        case OrderCancelled() as cancelled:
            person_id, reference = cancelled.customer_id, cancelled.order_id
            words = {"order_id": cancelled.order_id, "because": _because(cancelled)}
        case unknown:
            raise TypeError(f"nothing is told of {type(unknown).__name__}")
    template = TEMPLATES[event.type]
    return Entry(
        id=fact_id(event),
        person_id=person_id,
        kind=event.type,
        title=template.title,
        text=template.text.format(**words),
        occurred_at=event.occurred_at.astimezone(UTC),
        reference=reference,
    )


def format_amount(total: Total) -> str:
    """An amount as people read it: 1250 of EUR is `12.50 EUR`, of JPY `1250 JPY`."""
    decimals = _DECIMALS.get(total.currency, 2)
    return f"{Decimal(total.amount).scaleb(-decimals):.{decimals}f} {total.currency}"


def _because(cancelled: OrderCancelled) -> str:
    because = CANCELLATION_CAUSES.get(cancelled.cause, "")
    return f"{because}: {_truncated(cancelled.reason).rstrip('.')}" if cancelled.reason else because


def _truncated(words: str) -> str:
    return words if len(words) <= MAX_QUOTED_CHARACTERS else words[: MAX_QUOTED_CHARACTERS - 1] + "…"
