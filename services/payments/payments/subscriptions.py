"""Who handles which event."""

from collections.abc import Mapping

from chassis.consumer import Handler
from sqlalchemy.ext.asyncio import AsyncConnection

from payments import handlers

HANDLERS: Mapping[str, Handler[AsyncConnection]] = {
    "order.reserved": handlers.order_reserved,
    "order.cancelling": handlers.order_cancelling,
}
