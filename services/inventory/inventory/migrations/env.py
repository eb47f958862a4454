"""How Alembic reaches the tables; run by chassis.migrations."""

from chassis.migrations import run_env
from inventory.tables import metadata

run_env(metadata)
