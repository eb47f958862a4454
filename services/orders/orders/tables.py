"""The tables of this service."""

from chassis import outbox
from sqlalchemy import BigInteger, Column, DateTime, Index, Integer, LargeBinary, MetaData, Table, Text, Uuid, func
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()

orders = Table(
    "orders",
    metadata,
    # Made by uuid7, which grows with time: its order is the order of arrival, with no second column to sort by.
    Column("id", Uuid, primary_key=True),
    Column("customer_id", Text, nullable=False),
    # An order is always read and written whole, so its lines lie in its row and not in a table of their own.
    Column("lines", JSONB, nullable=False),
    Column("total_amount", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("placed_at", DateTime(timezone=True), nullable=False),
    Column("cancellation_reason", Text),
    Index("orders_of_customer", "customer_id", "id"),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("customer_id", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("order_id", Uuid, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("idempotency_keys_by_age", "created_at"),
)

outbox.table.to_metadata(metadata)
