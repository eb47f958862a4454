"""Commands of this checkout: `python -m tools.new_service loyalty`. The Makefile lists what they are good for."""

from infra.loading import load_interruptibly

load_interruptibly()
