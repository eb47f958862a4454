"""The tables of this service."""

from chassis import outbox
from sqlalchemy import BigInteger, Boolean, Column, Computed, DateTime, Index, Integer, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import TSVECTOR

SEARCHED = (
    "to_tsvector('english'::regconfig, replace(sku, '-'::text, ' '::text)) || "
    "to_tsvector('english'::regconfig, (name || ' '::text) || description)"
)
"""What a search looks at: the name, the description, and the parts of the SKU."""

metadata = MetaData()

products = Table(
    "products",
    metadata,
    # Compared byte by byte: pages have one order whatever the server's locale, and LIKE 'TEA-%' can use the index.
    Column("sku", Text(collation="C"), primary_key=True),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("price_amount", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("search", TSVECTOR, Computed(SEARCHED, persisted=True), nullable=False),
    Index("products_of_category", "category", "sku"),
    Index("products_search", "search", postgresql_using="gin"),
)

outbox.table.to_metadata(metadata)
