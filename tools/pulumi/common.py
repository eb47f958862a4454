"""What the parts of the installer share: the pinned versions, its errors, and how it tells a person what it does."""

import sys

from infra.command_line import CommandError

VERSION = "3.259.0"
RELEASES_URL = "https://get.pulumi.com/releases/sdk"
PROGRESS_SECONDS = 5


class InstallError(CommandError):
    """The CLI cannot be installed; the message says why and what would help."""


class UnreachableError(Exception):
    """The release host does not give the release; the message is the reason."""


def say(message: str) -> None:
    """Tells the person. stdout is kept for what a shell reads."""
    print(f"pulumi: {message}", file=sys.stderr, flush=True)
