"""Which event is handled by which use case."""

from collections.abc import Mapping

from chassis.consumer import Handler
from sqlalchemy.ext.asyncio import AsyncConnection

from inventory import handlers

HANDLERS: Mapping[str, Handler[AsyncConnection]] = {
    "order.placed": handlers.order_placed,
    "order.paid": handlers.order_paid,
    "order.cancelled": handlers.order_cancelled,
}
