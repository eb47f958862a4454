"""The tables of this service."""

from chassis import inbox, outbox
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()

# What is true: the streams of all orders. Rows are added and never changed, which a trigger sees to.
events = Table(
    "events",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    # The key is what keeps two writers from adding the same version: optimistic concurrency.
    Column("version", Integer, primary_key=True),
    Column("type", Text, nullable=False),
    Column("schema_version", SmallInteger, nullable=False),
    Column("data", JSONB, nullable=False),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
)

# Where to begin reading a long stream. Derived from it, and may be deleted at any time.
snapshots = Table(
    "snapshots",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("schema_version", SmallInteger, nullable=False),
    Column("state", JSONB, nullable=False),
    Column("taken_at", DateTime(timezone=True), nullable=False),
)

# The orders as they are read. Derived from the streams: `python -m orders rebuild` makes it anew.
orders = Table(
    "orders",
    metadata,
    # Made by uuid7, which grows with time: its order is the order of arrival, with no second column to sort by.
    Column("id", Uuid, primary_key=True),
    Column("customer_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("lines", JSONB, nullable=False),
    Column("discounts", JSONB, nullable=False),
    Column("total_amount", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("priced_by", Text, nullable=False),
    Column("payment_method", Text, nullable=False),
    Column("placed_at", DateTime(timezone=True), nullable=False),
    Column("cancellation_cause", Text),
    Column("cancellation_reason", Text),
    Column("settled", Boolean, nullable=False),
    Index("orders_of_customer", "customer_id", "id"),
)

# The orders that wait for somebody, and for how long. A timer is of one version: once that is past it means nothing.
sagas = Table(
    "sagas",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("deadline", DateTime(timezone=True), nullable=False),
    # How often what the order waits for was asked.
    Column("attempt", Integer, nullable=False),
    Index("sagas_by_deadline", "deadline"),
)

# The catalogue, as far as it was heard of.
products = Table(
    "products",
    metadata,
    Column("sku", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("list_price_amount", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("active", Boolean, nullable=False),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("customer_id", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("order_id", Uuid, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Index("idempotency_keys_by_age", "created_at"),
)

outbox.table.to_metadata(metadata)
inbox.table.to_metadata(metadata)
