"""Runs a command, and ends it with all its children when whoever started this one is gone, however that came about.

Run as `python -m tests.integration.harness.machine.ends_with_parent COMMAND ...` with a pipe as standard input: its
end is the sign, which the kernel gives also for a parent that was killed.
"""

import contextlib
import os
import subprocess
import sys
import threading

import psutil

GRACE_SECONDS = 10


def main(command: list[str]) -> int:
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    threading.Thread(target=_end_with_parent, args=[process], daemon=True).start()
    return process.wait()


def _end_with_parent(process: "subprocess.Popen[bytes]") -> None:
    while os.read(sys.stdin.fileno(), 1):  # not sys.stdin.read(): its lock would be held when the interpreter ends
        pass
    with contextlib.suppress(psutil.NoSuchProcess):
        # Pulumi's plugins are in process groups of their own, and outlive an engine that is killed.
        family = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
        for each in (psutil.Process(process.pid), *family):
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
