"""How a command of this checkout ends: as Unix has it. Whatever goes wrong is one line on stderr, and a status.

| status | |
|---|---|
| 0 | done |
| 1 | it failed; the line says why, and what would help |
| 2 | it was not called as it wants to be called |
| 70 | a fault of the command itself (EX_SOFTWARE of sysexits.h); SHOP_TRACEBACK=1 shows where |
| 130 | Ctrl-C: the process ends itself by SIGINT, so that a loop in a shell ends with it |
| 141 | nobody reads its output any more, as in `... | head`: it ends itself by SIGPIPE, without a line |

`infra.loading` does it for a command that is still being loaded.
"""

import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import TextIOWrapper
from typing import NoReturn

FAILED, USAGE, FAULT = 1, 2, 70
INTERRUPTED, OUTPUT_CLOSED = 128 + signal.SIGINT, 128 + signal.SIGPIPE
TRACEBACK_VARIABLE = "SHOP_TRACEBACK"
LONGEST_LINE = 1000


class CommandError(Exception):
    """Ends a command. The message is for a person: what is wrong, and what would help."""

    exit_code = FAILED


def run(name: str, main: Callable[[], int | None]) -> NoReturn:
    """Runs a command, and ends the process.

    Args:
        name: how the command calls itself on stderr.
        main: does everything; reads `sys.argv`. Returns the status; None is 0.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        _open_closed_streams()
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):
                # What the terminal's encoding cannot show is shown as its number.
                stream.reconfigure(errors="backslashreplace")
        sys.argv[1:] = _as_text(sys.argv[1:])
        status = main() or 0
        sys.stdout.flush()
    except SystemExit as end:
        status = _status_of(name, end)
    except BaseException as error:
        status = failed(name, error)
    _end(status)


def failed(name: str, error: BaseException) -> int:
    """Says in one line on stderr why a command ends, where there is something to say. Returns its status."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, BrokenPipeError):
        return OUTPUT_CLOSED
    if os.environ.get(TRACEBACK_VARIABLE):
        traceback.print_exception(error)
    if isinstance(error, CommandError):
        _say(f"{name}: {error}")
        return error.exit_code
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
        _say(f"{name}: {one_line(f'{error.filename}: {reason}' if error.filename else reason)}")
        return FAILED
    if isinstance(error, subprocess.CalledProcessError):
        called = error.cmd if isinstance(error.cmd, str) else " ".join(map(str, error.cmd))
        _say(f"{name}: {one_line(f'`{called}` ended with status {error.returncode}. {_text(error.stderr)}')}")
        return FAILED
    if isinstance(error, UnicodeError):
        _say(f"{name}: what was given cannot be read as text: {one_line(str(error))}")
        return FAILED
    said = one_line(f"{type(error).__name__}: {error}")
    _say(f"{name}: a fault of this command: {said} ({TRACEBACK_VARIABLE}=1 shows where)")
    return FAULT


def one_line(text: str) -> str:
    """The text on one line, of bounded length, and without characters that would steer a terminal."""
    shown = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return shown if len(shown) <= LONGEST_LINE else f"{shown[:LONGEST_LINE]}..."


def _text(output: str | bytes | None) -> str:
    return output.decode("utf-8", "replace") if isinstance(output, bytes) else output or ""


def _as_text(arguments: Sequence[str]) -> list[str]:
    """The arguments, with those that are UTF-8 read as such in a locale without it. Raises CommandError."""
    return [argument if _is_text(argument) else _decoded(argument) for argument in arguments]


def _is_text(argument: str) -> bool:
    """False where Python keeps a byte that the locale does not know as half a character (PEP 383)."""
    return not any("\ud800" <= each <= "\udfff" for each in argument)


def _decoded(argument: str) -> str:
    given = os.fsencode(argument)
    try:
        return given.decode("utf-8")
    except UnicodeDecodeError:
        error = CommandError(f"the argument {given!r} is not UTF-8")
        error.exit_code = USAGE
        raise error from None


def _status_of(name: str, end: SystemExit) -> int:
    if isinstance(end.code, int) and end.code:
        return end.code
    if end.code:
        _say(f"{name}: {end.code}")
        return FAILED
    try:
        sys.stdout.flush()
    except OSError as error:
        return failed(name, error)
    return 0


def _open_closed_streams() -> None:
    """Takes the places of standard streams that are closed (`>&-`): no file or socket is to become one of them.

    To read or to write fails there, as it does on a closed one.
    """
    for number, flags in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_RDONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, flags)  # gets the lowest free number: this one
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115 -- a number, and for good
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def _say(line: str) -> None:
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)


def _end(status: int) -> NoReturn:
    """Ends the process with the status; by a signal where the status says so."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            # It is said already, and Python would say it again when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    if status in (INTERRUPTED, OUTPUT_CLOSED):
        ending = signal.Signals(status - 128)
        signal.signal(ending, signal.SIG_DFL)
        os.kill(os.getpid(), ending)
    sys.exit(status)
