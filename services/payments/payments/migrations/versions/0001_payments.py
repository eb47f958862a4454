"""Payments, inbox and outbox; and the books of the fake provider."""

import sqlalchemy as sa
from alembic import op
from chassis.migrations import create_inbox, create_outbox

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "payments",
        sa.Column("order_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, nullable=False, unique=True),
        sa.Column("customer_id", sa.Text, nullable=False),
        sa.Column("amount", sa.BigInteger),
        sa.Column("currency", sa.Text),
        sa.Column("method", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("provider_reference", sa.Text),
        sa.Column("due_at", sa.DateTime(timezone=True)),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("first_attempt_at", sa.DateTime(timezone=True)),
        sa.Column("traceparent", sa.Text),
    )
    op.create_index("payments_due", "payments", ["due_at"], postgresql_where="due_at IS NOT NULL")
    create_inbox()
    create_outbox()
    _create_fake_provider()


def _create_fake_provider() -> None:
    op.create_table(
        "provider_payments",
        sa.Column("reference", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("captured", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("refunded", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("settles_at", sa.DateTime(timezone=True)),
        sa.Column("calls_back_at", sa.DateTime(timezone=True)),
        sa.Column("calls_left", sa.Integer, nullable=False, server_default="0"),
    )
    for name, column in {"settling": "settles_at", "calling": "calls_back_at"}.items():
        op.create_index(
            f"provider_payments_{name}", "provider_payments", [column], postgresql_where=f"{column} IS NOT NULL"
        )
    op.create_table("provider_keys", sa.Column("key", sa.Text, primary_key=True))
