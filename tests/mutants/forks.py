"""Work in a process of its own, that ends with all its children."""

import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

LIMIT_SECONDS = 900
"""For what waits for ever. What works for ever is ended by its CPU time: other work may slow a machine down."""


@dataclass(frozen=True)
class Result:
    said: str
    """Nothing, when the process died or took too long."""
    cpu_seconds: float
    """With those of its children that it waited for."""


def forked(work: Callable[[], str], limit_seconds: float = LIMIT_SECONDS) -> Result:
    """What `work` returns."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        _in_child(work, read, write)
    os.close(write)
    said = bytearray()
    deadline = time.monotonic() + limit_seconds
    while select.select([read], [], [], max(0.0, deadline - time.monotonic()))[0]:
        part = os.read(read, 1 << 16)
        if not part:
            break
        said += part
    os.close(read)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    _, _, usage = os.wait4(child, 0)
    return Result(said.decode(), round(usage.ru_utime + usage.ru_stime, 2))


def _in_child(work: Callable[[], str], read: int, write: int) -> None:
    os.setpgid(0, 0)
    os.close(read)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # it is ignored by what a shell runs beside
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    try:
        os.write(write, work().encode())
    finally:
        os._exit(0)
