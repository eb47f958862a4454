"""The tables of this service."""

from chassis import inbox, outbox
from chassis.sql import UtcDateTime, text
from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    MetaData,
    Table,
    Uuid,
)

metadata = MetaData()

stock = Table(
    "stock",
    metadata,
    Column("sku", text(64), primary_key=True),
    Column("on_hand", BigInteger, nullable=False),
    Column("reserved", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    # The last line of defence: whatever the code does, nothing is sold that is not there.
    CheckConstraint("0 <= reserved AND reserved <= on_hand", name="stock_is_not_oversold"),
)

reservations = Table(
    "reservations",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("state", text(16), nullable=False),
    Column("version", Integer, nullable=False),
    # A reservation is always read and written whole, so its lines ({sku: quantity}) lie in its row.
    Column("lines", JSON, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("short", JSON, nullable=False),
    Index("reservations_by_expiry", "state", "expires_at"),
)

outbox.table.to_metadata(metadata)
inbox.table.to_metadata(metadata)
