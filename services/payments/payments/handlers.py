"""The use cases, one transaction each: requests of the service orders, and answers of the payment provider.

Nothing here waits for the provider: a handler stores what is to be done, and the PaymentWorker does it.
"""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from uuid import UUID

import structlog
from chassis import outbox
from chassis.database import Database
from chassis.messages import Event, EventData
from chassis.money import Money
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from payments import domain, schedule, store, tracing
from payments.domain import Answer, Cancelling, CaptureTimedOut, Charge, Contradiction, Payment, Request, Reserved
from payments.events import ORDER_CANCELLING, ORDER_RESERVED
from payments.metrics import ERRORS, PAYMENTS
from payments.provider import ProviderCallback
from payments.store import StoredPayment

SOURCE = "payments"

log = structlog.get_logger(__name__)


def utc_now() -> datetime:
    return datetime.now(UTC)


async def order_reserved(tx: AsyncConnection, event: Event, now: datetime | None = None) -> None:
    """Requests that the payment of the order be captured. For a known payment, its outcome is published again."""
    read = ORDER_RESERVED(event)
    amount = Money(amount=read.total.amount, currency=read.total.currency)
    charge = Charge(amount=amount, method=read.payment_method)
    await _handle_request(tx, Reserved(read.order_id, read.customer_id, charge), now or utc_now())


async def order_cancelling(tx: AsyncConnection, event: Event, now: datetime | None = None) -> None:
    """Requests a refund of what was captured; nothing will be captured any more."""
    read = ORDER_CANCELLING(event)
    await _handle_request(tx, Cancelling(read.order_id, read.customer_id), now or utc_now())


async def handle_provider_callback(database: Database, callback: ProviderCallback, now: datetime | None = None) -> None:
    """Records a callback of the provider. It may be a duplicate, late, or about an unknown payment.

    The caller has verified that it is from the provider: a webhook checks its signature.
    """
    await record(database, {callback.reference: callback.answer}, now=now or utc_now())


async def record(
    database: Database,
    answers: Mapping[UUID, Answer | CaptureTimedOut],
    unanswered: Collection[StoredPayment] = (),
    *,
    now: datetime,
) -> None:
    """Stores and publishes the answers of the provider; postpones the payments about which it gave none.

    A payment may have changed since the provider was asked. An answer is valid all the same, but the payment is not
    postponed then: whoever has changed it decides when the provider is asked next.
    """
    asked = {stored.payment.id: stored for stored in unanswered}
    changed: list[tuple[Payment, str | None]] = []
    postponed: dict[UUID, datetime] = {}
    outcomes: list[EventData] = []
    async with database.transaction() as tx:
        for found in await store.lock(tx, {*answers, *asked}):
            payment = found.payment
            if payment.id in asked:
                before = asked[payment.id]
                if (payment.version, found.attempts) == (before.payment.version, before.attempts):
                    postponed[payment.id] = schedule.retry_at(found, now)
                continue
            payment, outcome = _after_answer(payment, answers[payment.id], now)
            if payment is not found.payment:
                changed.append((payment, found.traceparent))
            if outcome is not None:
                outcomes.append(outcome)
                with tracing.continued(found.traceparent):
                    await _publish(tx, payment, outcome)
        await store.change(tx, changed)
        await store.postpone(tx, postponed)
    _count(*outcomes)


async def _handle_request(tx: AsyncConnection, request: Request, now: datetime) -> None:
    payment, outcome = domain.begin(request, payment_id=uuid7(), now=now)
    traceparent = tracing.current()
    is_new = await store.insert_new(tx, payment, traceparent)
    if not is_new:
        before = await store.lock_of_order(tx, request.order_id)
        payment, outcome = domain.after(before, request, now)
        if payment is not before:
            await store.change(tx, [(payment, traceparent)])
            is_new = True
    if outcome is not None:
        await _publish(tx, payment, outcome)
        if is_new:
            _count(outcome)


def _after_answer(
    payment: Payment, answer: Answer | CaptureTimedOut, now: datetime
) -> tuple[Payment, EventData | None]:
    try:
        return domain.after(payment, answer, now)
    except Contradiction as error:
        # What is known stays: no money moves on the word of a provider that contradicts itself.
        ERRORS.labels("contradiction").inc()
        log.error("provider_contradicts_itself", payment_id=str(payment.id), detail=str(error))
        return payment, None


async def _publish(tx: AsyncConnection, payment: Payment, outcome: EventData) -> None:
    event = outcome.event(
        source=SOURCE,
        aggregate_id=str(payment.order_id),
        sequence=payment.version,
        occurred_at=payment.changed_at,
    )
    await outbox.publish(tx, event)


def _count(*outcomes: EventData) -> None:
    for outcome in outcomes:
        PAYMENTS.labels(outcome.type.removeprefix("payment.")).inc()
