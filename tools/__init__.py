"""Commands of this checkout: `python -m tools.seed --help`. The Makefile lists what they are good for."""

from infra.loading import load_interruptibly

load_interruptibly()
