"""Servers of the tests: each starts with the test that needs it, and is gone with it, whatever happens."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from tests.fixtures import wait_for
from tests.integration.harness.machine.paths import ROOT

END_SECONDS = 20


@contextmanager
def running(
    name: str,
    command: Sequence[str],
    log: Path,
    ready: Callable[[], bool],
    deadline_seconds: float = 60,
    environment: Mapping[str, str] | None = None,
) -> Iterator[None]:
    """The command as a process of its own session, until it is ready and for the time of the context.

    Fails with the end of its log when it ends by itself before, or is not ready at the deadline.
    """
    with log.open("wb") as output:
        process = spawn(command, output, environment={**os.environ, **(environment or {})})

    def is_ready() -> bool:
        if process.poll() is not None:
            pytest.fail(f"{name} ended with {process.returncode}; the end of its log:\n{_end_of(log)}")
        return ready()

    try:
        wait_for(is_ready, deadline_seconds, f"{name} is ready (its log: {log})")
        yield
    finally:
        end(process)


def spawn(
    command: Sequence[str], output: IO[bytes], environment: Mapping[str, str], directory: Path = ROOT
) -> "subprocess.Popen[bytes]":
    """Starts the command so that it ends with this process, or by `end`."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.integration.harness.machine.ends_with_parent", *command],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd=directory,
        env={**environment, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), environment.get("PYTHONPATH")]))},
        start_new_session=True,  # Ctrl-C is for the tests, which then end it in order
    )


def end(process: "subprocess.Popen[bytes]") -> None:
    """Ends what was started by `spawn`, with its children."""
    assert process.stdin is not None
    process.stdin.close()
    process.wait(END_SECONDS)


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:])
