"""The tables of this service."""

from chassis import inbox, outbox
from sqlalchemy import BigInteger, Column, DateTime, Index, Integer, MetaData, Table, Text, Uuid

metadata = MetaData()

payments = Table(
    "payments",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("id", Uuid, nullable=False, unique=True),
    Column("customer_id", Text, nullable=False),
    # The charge; all three are null in a payment that only keeps its order from being paid.
    Column("amount", BigInteger),
    Column("currency", Text),
    Column("method", Text),
    Column("state", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    Column("reason", Text),
    Column("provider_reference", Text),
    # When the provider is to be asked; null when there is nothing to ask. Who asks moves it behind the end of a lease.
    Column("due_at", DateTime(timezone=True)),
    # In this state.
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("first_attempt_at", DateTime(timezone=True)),
    # Of the order's message: the work that follows belongs to the same trace.
    Column("traceparent", Text),
    Index("payments_due", "due_at", postgresql_where="due_at IS NOT NULL"),
)

inbox.table.to_metadata(metadata)
outbox.table.to_metadata(metadata)

# What follows belongs to the fake provider. It stands for a system of somebody else: never join it with the above.

provider_payments = Table(
    "provider_payments",
    metadata,
    # Named by the merchant, that is by us.
    Column("reference", Uuid, primary_key=True),
    # Named by the provider.
    Column("id", Text, nullable=False, unique=True),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    # Minor units. What is to be captured, what was and what went back.
    Column("amount", BigInteger, nullable=False),
    Column("captured", BigInteger, nullable=False, server_default="0"),
    Column("refunded", BigInteger, nullable=False, server_default="0"),
    # When a payment in processing is captured.
    Column("settles_at", DateTime(timezone=True)),
    Column("calls_back_at", DateTime(timezone=True)),
    Column("calls_left", Integer, nullable=False, server_default="0"),
    Index("provider_payments_settling", "settles_at", postgresql_where="settles_at IS NOT NULL"),
    Index("provider_payments_calling", "calls_back_at", postgresql_where="calls_back_at IS NOT NULL"),
)

provider_keys = Table("provider_keys", metadata, Column("key", Text, primary_key=True))
