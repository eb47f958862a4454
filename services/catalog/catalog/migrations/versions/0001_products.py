"""Products, what a search looks at, and the outbox for what happens to them."""

import sqlalchemy as sa
from alembic import op
from chassis.migrations import create_outbox
from sqlalchemy.dialects.postgresql import TSVECTOR

revision = "0001"
down_revision = None

SEARCHED = (
    "to_tsvector('english'::regconfig, replace(sku, '-'::text, ' '::text)) || "
    "to_tsvector('english'::regconfig, (name || ' '::text) || description)"
)


def upgrade() -> None:
    op.create_table(
        "products",
        sa.Column("sku", sa.Text(collation="C"), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("price_amount", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("search", TSVECTOR, sa.Computed(SEARCHED, persisted=True), nullable=False),
    )
    op.create_index("products_of_category", "products", ["category", "sku"])
    op.create_index("products_search", "products", ["search"], postgresql_using="gin")
    # With the default of 100 the planner takes a rare word for a common one and reads every product to find it: 50 ms
    # instead of 0.02 ms among 100,000 of them.
    op.execute("ALTER TABLE products ALTER COLUMN search SET STATISTICS 1000")
    create_outbox()
