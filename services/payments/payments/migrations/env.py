"""How Alembic reaches the tables; run by chassis.migrations."""

from chassis.migrations import run_env
from payments.tables import metadata

run_env(metadata)
