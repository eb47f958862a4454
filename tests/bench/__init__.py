"""Measurements: `make bench`, or one of them, `python -m tests.bench.program`."""

from infra.loading import load_interruptibly

load_interruptibly()
