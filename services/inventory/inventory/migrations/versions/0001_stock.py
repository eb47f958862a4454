"""Stock, the reservations of it, the inbox for orders, and the outbox for the answers."""

import sqlalchemy as sa
from alembic import op
from chassis.migrations import create_inbox, create_outbox
from chassis.sql import UtcDateTime, text

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "stock",
        sa.Column("sku", text(64), primary_key=True),
        sa.Column("on_hand", sa.BigInteger, nullable=False),
        sa.Column("reserved", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.CheckConstraint("0 <= reserved AND reserved <= on_hand", name="stock_is_not_oversold"),
    )
    op.create_table(
        "reservations",
        sa.Column("order_id", sa.Uuid, primary_key=True),
        sa.Column("state", text(16), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("lines", sa.JSON, nullable=False),
        sa.Column("expires_at", UtcDateTime),
        sa.Column("short", sa.JSON, nullable=False),
    )
    op.create_index("reservations_by_expiry", "reservations", ["state", "expires_at"])
    create_inbox()
    create_outbox()
