"""How the events of order streams are stored, and how events of an older schema are read.

Stored events never change. When the schema of an event changes, it gets a new version here, with an `upcast` from the
version before. The rest of the code knows only the newest schema.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from orders.domain.order import (
    CancellationBegun,
    OrderCancelled,
    OrderConfirmed,
    OrderEvent,
    OrderPlaced,
    OrderSettled,
    PaymentCaptured,
    StockReserved,
)

Upcast = Callable[[dict[str, Any]], dict[str, Any]]
"""Converts the data of one version to the next version."""


@dataclass(frozen=True, kw_only=True)
class Schema:
    """What the data of one type of event is read into. `upcast` has an entry for each version before `version`."""

    model: type[OrderEvent]
    version: int = 1
    upcast: Mapping[int, Upcast] = field(default_factory=dict)


SCHEMAS = {
    # The names are in the database: a class may be renamed, its name here may not.
    "placed": Schema(model=OrderPlaced),
    "stock_reserved": Schema(model=StockReserved),
    "payment_captured": Schema(model=PaymentCaptured),
    "confirmed": Schema(model=OrderConfirmed),
    "cancellation_begun": Schema(model=CancellationBegun),
    "cancelled": Schema(model=OrderCancelled),
    "settled": Schema(model=OrderSettled),
}
_NAMES = {schema.model: name for name, schema in SCHEMAS.items()}


class UnknownSchema(ValueError):
    """An event of a newer schema, written by a later version of this code."""


class Stored(NamedTuple):
    type: str
    schema_version: int
    data: dict[str, Any]


def encoded(event: OrderEvent) -> Stored:
    name = _NAMES[type(event)]
    return Stored(name, SCHEMAS[name].version, event.model_dump(mode="json"))


def decoded(name: str, schema_version: int, data: dict[str, Any]) -> OrderEvent:
    """Raises UnknownSchema."""
    schema = SCHEMAS.get(name)
    if schema is None or schema_version > schema.version:
        raise UnknownSchema(f"{name} of version {schema_version}")
    for version in range(schema_version, schema.version):
        data = schema.upcast[version](data)
    return schema.model.model_validate(data)
