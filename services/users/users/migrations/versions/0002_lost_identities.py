"""A profile whose identity is lost keeps its address and leaves it to the next who signs up with it."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("profiles", sa.Column("identity_lost_at", sa.DateTime(timezone=True)))
    op.create_index(
        "profiles_email", "profiles", ["email"], unique=True, postgresql_where=sa.text("identity_lost_at IS NULL")
    )
    op.drop_constraint("profiles_email_key", "profiles")
