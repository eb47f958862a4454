"""The tables of this service."""

from chassis import outbox
from sqlalchemy import Column, DateTime, Index, Integer, MetaData, Table, Text

metadata = MetaData()

profiles = Table(
    "profiles",
    metadata,
    # The subject of the person's tokens, so that a token leads to its profile without a table between them.
    Column("id", Text, primary_key=True),
    # Kept in its one normal spelling (see domain.normalised_email), which makes it unique in any letter case.
    Column("email", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    # When it was found, as somebody signed up with the address, that nobody can sign in as this person any more.
    Column("identity_lost_at", DateTime(timezone=True)),
)
Index("profiles_email", profiles.c.email, unique=True, postgresql_where=profiles.c.identity_lost_at.is_(None))

outbox.table.to_metadata(metadata)
