"""What this service does when others tell something: event type -> handler(tx, event)."""

from collections.abc import Mapping
from uuid import UUID

import structlog
from chassis.consumer import Handler
from chassis.messages import Event
from sqlalchemy.ext.asyncio import AsyncConnection

from orders import events, handlers, products
from orders.domain import saga
from orders.domain.basket import Product

log = structlog.get_logger(__name__)


async def upsert_product(tx: AsyncConnection, event: Event) -> None:
    state = events.PRODUCT(event)
    await products.upsert(tx, Product.model_validate(state.model_dump()), event.sequence)


async def stock_reserved(tx: AsyncConnection, event: Event) -> None:
    said = events.STOCK_RESERVED(event)
    await _change(tx, said.order_id, lambda order: saga.stock_reserved(order, said.expires_at))


async def stock_rejected(tx: AsyncConnection, event: Event) -> None:
    said = events.REFUSAL(event)
    await _change(tx, said.order_id, lambda order: saga.stock_rejected(order, said.reason))


async def stock_committed(tx: AsyncConnection, event: Event) -> None:
    await _change(tx, events.OF_ORDER(event).order_id, saga.stock_committed)


async def stock_released(tx: AsyncConnection, event: Event) -> None:
    await _change(tx, events.OF_ORDER(event).order_id, saga.stock_released)


async def payment_captured(tx: AsyncConnection, event: Event) -> None:
    said = events.PAYMENT_CAPTURED(event)
    await _change(tx, said.order_id, lambda order: saga.payment_captured(order, said.payment_id, said.amount))


async def payment_declined(tx: AsyncConnection, event: Event) -> None:
    said = events.REFUSAL(event)
    await _change(tx, said.order_id, lambda order: saga.payment_declined(order, said.reason))


async def payment_undone(tx: AsyncConnection, event: Event) -> None:
    await _change(tx, events.OF_ORDER(event).order_id, saga.payment_undone)


async def _change(tx: AsyncConnection, order_id: UUID, decide: handlers.Decision) -> None:
    if await handlers.change(tx, order_id, decide) is None:
        # Of a database that was restored, or of another environment: to fail would not bring the order back.
        log.warning("order_unknown", order_id=str(order_id))


HANDLERS: Mapping[str, Handler[AsyncConnection]] = {
    "product.added": upsert_product,
    "product.changed": upsert_product,
    "stock.reserved": stock_reserved,
    "stock.rejected": stock_rejected,
    "stock.committed": stock_committed,
    "stock.released": stock_released,
    "payment.captured": payment_captured,
    "payment.declined": payment_declined,
    "payment.refunded": payment_undone,
    "payment.voided": payment_undone,
}
