"""What this service tells others about stock, and what it needs of the events that it reads."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

from chassis.messages import EventData, EventReader
from pydantic import BaseModel, ConfigDict, Field

SKU_PATTERN = r"^[A-Z0-9][A-Z0-9-]{0,63}$"

Sku = Annotated[str, Field(pattern=SKU_PATTERN, examples=["TEA-GREEN-100"])]


class Shortage(BaseModel):
    """An article of which an order wanted more pieces than were available."""

    model_config = ConfigDict(frozen=True)

    sku: Sku
    wanted: int
    available: int


class StockReserved(EventData):
    """All lines of the order are set aside until it is paid, but not for longer than `expires_at`."""

    type: ClassVar[str] = "stock.reserved"

    order_id: UUID
    expires_at: datetime


class StockRejected(EventData):
    """Nothing is set aside for the order. `short` is empty when it was paid but had never been placed here."""

    type: ClassVar[str] = "stock.rejected"

    order_id: UUID
    reason: str
    short: tuple[Shortage, ...]


class StockCommitted(EventData):
    """The pieces of the order have left the stock."""

    type: ClassVar[str] = "stock.committed"

    order_id: UUID


class StockReleased(EventData):
    """The order holds no stock and never will again."""

    type: ClassVar[str] = "stock.released"

    order_id: UUID


PUBLISHED: tuple[type[EventData], ...] = (StockReserved, StockRejected, StockCommitted, StockReleased)


class OrderLine(BaseModel):
    sku: Sku
    quantity: int = Field(strict=True, ge=1, le=1_000_000)


class OrderPlaced(BaseModel):
    order_id: UUID
    lines: tuple[OrderLine, ...] = Field(min_length=1, max_length=1_000)


class OrderNamed(BaseModel):
    """An event of which only the order matters."""

    order_id: UUID


PLACED = EventReader(OrderPlaced)
PAID = EventReader(OrderNamed)
CANCELLED = EventReader(OrderNamed)

READ: Mapping[str, EventReader[Any]] = {"order.placed": PLACED, "order.paid": PAID, "order.cancelled": CANCELLED}
