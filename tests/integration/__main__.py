"""Runs parts of the integration tests, or all of them: `python -m tests.integration [PART ...] [-- OPTIONS]`.

Groups of parts run beside each other, in processes of pytest-xdist. OPTIONS are pytest's.
"""

import os
import sys
from collections.abc import Sequence

from tests.integration.harness.machine.paths import ROOT
from tests.integration.parts import PARTS, UnknownPartError, with_needs

PROCESSES = 3
"""The story waits most of its time; the others take what it leaves of two cores."""


def command(names: Sequence[str], options: Sequence[str]) -> list[str]:
    """What runs these parts and those that they need. Raises: UnknownPartError."""
    chosen = [PARTS[name] for name in with_needs(names)]
    processes = min(PROCESSES, len({part.group for part in chosen}))
    beside = ("--numprocesses", str(processes), "--dist", "loadgroup", "--no-loadscope-reorder")
    return [
        *(sys.executable, "-m", "pytest", "-m", "integration"),
        *(beside if processes > 1 else ()),
        *(file for part in chosen for file in part.files),
        *options,
    ]


def main(arguments: Sequence[str]) -> str | None:
    """What is wrong; does not return when nothing is."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    try:
        wanted = command(arguments[:end], arguments[end + 1 :])
    except UnknownPartError as error:
        return str(error)
    os.chdir(ROOT)
    return os.execv(wanted[0], wanted)  # noqa: S606


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
