"""How Alembic reaches the tables; run by chassis.migrations."""

from catalog.tables import metadata
from chassis.migrations import run_env

run_env(metadata)
