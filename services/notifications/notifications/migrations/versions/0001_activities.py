"""The activity log, and the inbox for the events it is made of."""

import sqlalchemy as sa
from alembic import op
from chassis.migrations import create_inbox

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "activities",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("person_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reference", sa.Text, nullable=False),
        sa.Index("activities_of_person", "person_id", "occurred_at", "id"),
    )
    create_inbox()
