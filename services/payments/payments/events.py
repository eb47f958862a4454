"""The events of this service: what it publishes, and what it reads of those of others."""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from chassis.messages import EventData, EventReader
from chassis.money import MAX_AMOUNT, Money
from pydantic import BaseModel, ConfigDict, Field


class PaymentCaptured(EventData):
    type: ClassVar[str] = "payment.captured"

    order_id: UUID
    payment_id: UUID
    amount: Money


class PaymentDeclined(EventData):
    """`reason` is for people."""

    type: ClassVar[str] = "payment.declined"

    order_id: UUID
    payment_id: UUID
    reason: str


class PaymentRefunded(EventData):
    type: ClassVar[str] = "payment.refunded"

    order_id: UUID
    payment_id: UUID
    amount: Money


class PaymentVoided(EventData):
    """Nothing was captured, and nothing ever will be."""

    type: ClassVar[str] = "payment.voided"

    order_id: UUID
    payment_id: UUID


class _Read(BaseModel):
    """The fields that are needed; a publisher may add others."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Total(_Read):
    amount: int = Field(strict=True, ge=0, le=MAX_AMOUNT)
    currency: str = Field(pattern=r"^[A-Z]{3}$")


class OrderReserved(_Read):
    order_id: UUID
    customer_id: str = Field(min_length=1, max_length=200)
    total: Total
    payment_method: str = Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")


class OrderCancelling(_Read):
    order_id: UUID
    customer_id: str = Field(min_length=1, max_length=200)


ORDER_RESERVED = EventReader(OrderReserved)
ORDER_CANCELLING = EventReader(OrderCancelling)

PUBLISHED: tuple[type[EventData], ...] = (PaymentCaptured, PaymentDeclined, PaymentRefunded, PaymentVoided)
READ: Mapping[str, EventReader[Any]] = {"order.reserved": ORDER_RESERVED, "order.cancelling": ORDER_CANCELLING}
