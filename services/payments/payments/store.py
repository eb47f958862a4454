"""Payments in the database: look-ups, locks, changes, and leases for the workers."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Row
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from payments.domain import Payment
from payments.tables import payments


@dataclass(frozen=True, slots=True)
class StoredPayment:
    """A payment, and the state of the attempts to process it.

    attempts: how often the provider was asked in this state, this time included.
    first_attempt_at: when it was asked first; None before.
    traceparent: of the order's latest message, in the notation of W3C trace context.
    """

    payment: Payment
    attempts: int
    first_attempt_at: datetime | None
    traceparent: str | None


_OPEN = insert(payments).on_conflict_do_nothing().returning(payments.c.id)
_OF_ORDER = sa.select(payments).where(payments.c.order_id == sa.bindparam("of")).with_for_update()
_MANY = (
    sa.select(payments)
    .where(payments.c.id == sa.any_(sa.bindparam("ids", type_=ARRAY(sa.Uuid))))
    # Everybody who locks many locks them in this order, so that nobody waits in a circle.
    .order_by(payments.c.id)
    .with_for_update()
)
_ROW = payments.c.id == sa.bindparam("of")
_CHANGE = (
    sa.update(payments)
    .where(_ROW)
    .values(
        {name: sa.bindparam(name) for name in ("state", "version", "changed_at", "reason", "provider_reference")}
        | {"due_at": sa.bindparam("due_at"), "traceparent": sa.bindparam("traceparent"), "attempts": 0}
    )
)
_POSTPONE = sa.update(payments).where(_ROW).values(due_at=sa.bindparam("due_at"))
_now = sa.bindparam("now", type_=sa.DateTime(timezone=True))
# PostgreSQL computes this once; a plain subquery it may compute again for each row, and so exceed the limit.
_due = (
    sa.select(payments.c.order_id)
    .where(payments.c.due_at <= _now)
    .order_by(payments.c.due_at)
    .limit(sa.bindparam("at_most"))
    .with_for_update(skip_locked=True)
    .cte("due")
)
_CLAIM = (
    sa.update(payments)
    .where(payments.c.order_id == _due.c.order_id)
    .values(
        due_at=sa.bindparam("leased_until"),
        attempts=payments.c.attempts + 1,
        first_attempt_at=sa.func.coalesce(payments.c.first_attempt_at, _now),
    )
    .returning(payments)
)


async def insert_new(tx: AsyncConnection, payment: Payment, traceparent: str | None) -> bool:
    """Inserts the payment; returns False when its order has one already. Waits for a concurrent insert of the same."""
    charge = payment.charge
    row = payment.model_dump(exclude={"charge"}) | {
        "amount": charge and charge.amount.amount,
        "currency": charge and charge.amount.currency,
        "method": charge and charge.method,
        "due_at": _due_at(payment),
        "traceparent": traceparent,
    }
    return (await tx.execute(_OPEN, row)).first() is not None


async def lock_of_order(tx: AsyncConnection, order_id: UUID) -> Payment:
    """Locks the payment of the order, waiting for concurrent changes. Raises sqlalchemy.exc.NoResultFound."""
    return _stored((await tx.execute(_OF_ORDER, {"of": order_id})).one()).payment


async def lock(tx: AsyncConnection, ids: Collection[UUID]) -> list[StoredPayment]:
    """Locks those of the payments that exist, waiting for concurrent changes."""
    return [_stored(row) for row in await tx.execute(_MANY, {"ids": list(ids)})]


async def change(tx: AsyncConnection, changed: Sequence[tuple[Payment, str | None]]) -> None:
    """Updates locked payments, each with its traceparent. If there is an operation to ask for, it is due at once."""
    rows = [
        {
            "of": payment.id,
            "state": payment.state,
            "version": payment.version,
            "changed_at": payment.changed_at,
            "reason": payment.reason,
            "provider_reference": payment.provider_reference,
            "due_at": _due_at(payment),
            "traceparent": traceparent,
        }
        for payment, traceparent in changed
    ]
    if rows:
        await tx.execute(_CHANGE, rows)


async def postpone(tx: AsyncConnection, until: Mapping[UUID, datetime]) -> None:
    """Sets when the provider is to be asked again about locked payments."""
    if until:
        await tx.execute(_POSTPONE, [{"of": payment_id, "due_at": due_at} for payment_id, due_at in until.items()])


async def claim(tx: AsyncConnection, *, now: datetime, lease: timedelta, at_most: int) -> list[StoredPayment]:
    """Leases payments that are due, the longest waiting first; no other worker gets them before the lease expires."""
    given = {"now": now, "leased_until": now + lease, "at_most": at_most}
    return [_stored(row) for row in await tx.execute(_CLAIM, given)]


def _due_at(payment: Payment) -> datetime | None:
    return payment.changed_at if payment.operation else None


def _stored(row: Row[*tuple[Any, ...]]) -> StoredPayment:
    stored = dict(row._mapping)
    amount = {"amount": stored["amount"], "currency": stored["currency"]}
    stored["charge"] = None if stored["amount"] is None else {"amount": amount, "method": stored["method"]}
    return StoredPayment(
        payment=Payment.model_validate(stored),
        attempts=stored["attempts"],
        first_attempt_at=stored["first_attempt_at"],
        traceparent=stored["traceparent"],
    )
