"""Keeps the logs of the laptop's processes short: a part of supervisord, by its interface for plug-ins.

The processes write into their files themselves (`infra/local/launch.py`): handed through supervisord, each line would
wake it. So it has to look how long they are.
"""

import contextlib
import os
import shutil
from pathlib import Path

from supervisor import events

LOG_BYTES = 10_000_000
"""A log that is longer moves to `<name>.log.1`."""


class Rotation:
    """What supervisord wants of a plug-in: an object whose methods can be called; it has none."""


def plug_in(_supervisord: object, *, logs: str) -> Rotation:
    """Called by supervisord when it starts, with what its configuration says."""
    events.subscribe(events.Tick5Event, lambda _: rotate(Path(logs)))
    return Rotation()


def rotate(folder: Path) -> None:
    """Moves what is in each log that has grown too long. Lines that are written in that moment are lost."""
    for log in folder.glob("*.log"):
        with contextlib.suppress(OSError):  # no room, or removed: the processes are more than their logs
            if log.stat().st_size > LOG_BYTES:
                shutil.copyfile(log, log.with_name(f"{log.name}.1"))
                os.truncate(log, 0)
