"""What is computed of a plan without running it: `python -m plans.cost dev`. The Makefile lists them."""

from infra.loading import load_interruptibly

load_interruptibly()
