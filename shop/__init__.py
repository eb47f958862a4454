"""The shop on the command line: `python -m shop --help`."""

import time

from infra.loading import load_interruptibly

load_interruptibly()

STARTED_AT = time.time()
"""When this command was given, in seconds since 1970 by this machine's clock."""
