"""Ctrl-C while a command is still being loaded. Imports next to nothing, because it is what a command loads first."""

import signal
import sys


def load_interruptibly() -> None:
    """Has Ctrl-C end a command that is still being loaded at once, and in silence. `command_line.run` takes over then.

    For the `__init__` of a package of commands. It does something only where Python is about to run one of the
    package's modules (`sys.argv[0]` is "-m" while the module is located, says its documentation): whoever imports the
    package for another reason keeps their own way with Ctrl-C.
    """
    if sys.argv[:1] == ["-m"] and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
