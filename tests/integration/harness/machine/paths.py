"""Where things lie in the checkout."""

from pathlib import Path

ROOT = Path(__file__).parents[4]
KEPT = ROOT / ".shop"
"""What is built once, and not part of the repository."""
