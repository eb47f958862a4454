"""Waits for what comes up by and by: a server, a permission, a name."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PAUSE_SECONDS = 2


def until_it_works(
    attempt: Callable[[], T],
    errors: tuple[type[Exception], ...],
    deadline_seconds: float,
    say: Callable[[str], None],
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """The first result of attempt(). It is made at least once; each new reason why it failed is said once.

    Raises:
        one of `errors`: the last one, when the deadline has passed
    """
    deadline, reasons = now() + deadline_seconds, set[str]()
    while True:
        try:
            return attempt()
        except errors as error:
            reason = str(error).strip()
            if now() + PAUSE_SECONDS > deadline:
                raise
            if reason not in reasons:
                say(f"waiting: {reason}")
                reasons.add(reason)
            sleep(PAUSE_SECONDS)
