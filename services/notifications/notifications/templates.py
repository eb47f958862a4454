"""What people are told, in words. What stands in braces is filled in, once: words of a person are never a template."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Template:
    title: str
    text: str


TEMPLATES: Mapping[str, Template] = {
    "user.created": Template("Welcome", "Welcome, {name}."),
    "order.placed": Template("Order placed", "You placed order {order_id} for {total}."),
    "order.confirmed": Template("Order confirmed", "Order {order_id} for {total} is confirmed."),
    "order.cancelled": Template("Order cancelled", "Order {order_id} was cancelled{because}."),
}
"""By the type of the event."""

CANCELLATION_CAUSES: Mapping[str, str] = {
    "customer": " at your request",
    "out_of_stock": ", as something in it is out of stock",
    "payment_declined": ", as the payment was declined",
    "timeout": ", as it could not be completed in time",
}
"""By the cause of a cancellation; nothing for a cause that came up later."""
