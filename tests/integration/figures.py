"""Lines that are printed when all tests have ended, whichever process they ran in."""

import pytest

FIGURES = pytest.StashKey[list[str]]()
OUTPUT = "figures"
"""What a process of pytest-xdist hands over, by this name, when it ends."""


def figures_of(config: pytest.Config) -> list[str]:
    """To be added to."""
    return config.stash.setdefault(FIGURES, [])
