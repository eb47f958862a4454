"""What the tests of one run share, whichever of its processes they are in."""

import fcntl
import os
import pickle
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
VARIABLE = "SHOP_TEST_RUN"
"""The folder of the run; its workers inherit it."""


def begin() -> None:
    """Each run has a folder of its own, so that nothing outlives what it was made of."""
    os.environ[VARIABLE] = tempfile.mkdtemp(prefix="shop-tests-")


def end() -> None:
    shutil.rmtree(os.environ.pop(VARIABLE))


def once_in_a_run(name: str, make: Callable[[], T]) -> T:
    """What `make` returns: made by the process that asks first, read by the others, which wait for it.

    A process that runs alone makes it without writing anything.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return make()
    kept = Path(os.environ[VARIABLE]) / name
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if kept.exists():
            found: T = pickle.loads(kept.read_bytes())  # noqa: S301  # written by this run, in a folder of its own
            return found
        made = make()
        kept.write_bytes(pickle.dumps(made))
        return made
