"""The tables of this service."""

from chassis import inbox
from sqlalchemy import Column, DateTime, Index, MetaData, Table, Text, Uuid

metadata = MetaData()

activities = Table(
    "activities",
    metadata,
    # The event's: it keeps an entry single even when its event comes again after the inbox has forgotten it.
    Column("id", Uuid, primary_key=True),
    Column("person_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    Column("reference", Text, nullable=False),
    # The order in which a person's log is read, backwards.
    Index("activities_of_person", "person_id", "occurred_at", "id"),
)

inbox.table.to_metadata(metadata)
