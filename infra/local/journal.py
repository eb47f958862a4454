"""What has become of the items of DynamoDB since their file was written: one line for each change, added at the end."""

import hashlib
import json
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from infra.local.files import set_aside, sync_folder

logger = logging.getLogger(__name__)


class Change(NamedTuple):
    """An item as it is now; None when it is gone."""

    table_arn: str
    pk: str
    sk: str
    item: dict[str, Any] | None


class DamagedLine(ValueError):
    """A line that describes no change."""


def digest(content: bytes) -> str:
    """What a journal calls the file that it goes with."""
    return hashlib.sha256(content).hexdigest()


class Journal:
    """A file of changes. Its first line names the file that they come after: for another one it means nothing.

    A change is added wholly or not at all: what a failed attempt has left is cut off by the next one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._after = ""
        self.size = 0
        """In bytes, of what is whole."""

    def read(self, after: str) -> list[Change]:
        """The changes that come after the file of this digest, in their order.

        Never raises. From the first line on that cannot be read, everything is set aside.
        """
        self._after, self.size = after, 0
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return []
        except OSError as error:
            logger.error("%s cannot be read: %s", self._path, error)
            return []
        changes: list[Change] = []
        for number, line in enumerate(content.splitlines(keepends=True), start=1):
            try:
                if not line.endswith(b"\n"):
                    raise DamagedLine("it breaks off")
                if not (number == 1 and _is_head(line, after)):
                    changes.append(_change(line))
            except (ValueError, RecursionError) as error:
                self._cut(content, number, str(error))
                break
            self.size += len(line)
        return changes

    def begin(self, after: str) -> None:
        """Begins anew, with the changes that come after the file of this digest."""
        self._after, self.size = after, 0
        self._path.unlink(missing_ok=True)

    def append(self, changes: Iterable[str]) -> None:
        """Adds lines of JSON; returns when they would outlast a power cut. Raises OSError."""
        head = [] if self.size else [json.dumps({"after": self._after})]
        added = "".join(f"{line}\n" for line in [*head, *changes]).encode()
        with os.fdopen(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
            file.truncate(self.size)
            file.seek(self.size)
            file.write(added)
            file.flush()
            os.fsync(file.fileno())
        if not self.size:
            sync_folder(self._path.parent)
        self.size += len(added)

    def _cut(self, content: bytes, number: int, reason: str) -> None:
        rest = content[self.size :]
        try:
            kept = f"kept in {set_aside(self._path, rest)}"
            os.truncate(self._path, self.size)
        except OSError as error:
            kept = f"not kept: {error}"
        logger.error(
            "%s is damaged in line %d (%s): what stands before it lives, it and the rest (%d bytes) are %s",
            self._path,
            number,
            reason,
            len(rest),
            kept,
        )


def _is_head(line: bytes, after: str) -> bool:
    """False for a journal without one, of an earlier version. Raises DamagedLine when it is another file's."""
    head = json.loads(line)
    if not isinstance(head, dict):
        return False
    if head.get("after") != after:
        raise DamagedLine("the journal goes with another file")
    return True


def _change(line: bytes) -> Change:
    from ministack.core import persistence

    match json.loads(line, object_hook=persistence._json_object_hook):
        case [str(arn), str(pk), str(sk), dict() | None as item]:
            return Change(arn, pk, sk, item)
    raise DamagedLine("it describes no change")
