"""Files and folders that are there wholly or not at all."""

import contextlib
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

UNFINISHED = ".part"
"""The end of the name of a file that is not written to its end yet, or whose writer was killed."""


def write_private(path: Path, text: str) -> None:
    """Replaces the file in one step, readable by its owner alone.

    Whoever reads it finds what was there before or what is there now: also on a full disk and after a power cut.
    Raises OSError, and then nothing has changed.
    """
    descriptor, part = tempfile.mkstemp(prefix=f".{path.name}.", suffix=UNFINISHED, dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(part).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(part).unlink()
        raise
    sync_folder(path.parent)


@contextlib.contextmanager
def complete_folder(folder: Path) -> Iterator[Path]:
    """An empty folder to fill, for its owner alone. It takes the place of `folder` at the end of the block.

    When the block raises, or its process is killed, there is no `folder`: nobody takes for whole what is half made.
    """
    unfinished = folder.with_name(f"{folder.name}{UNFINISHED}")
    if unfinished.exists():
        shutil.rmtree(unfinished)
    unfinished.mkdir(parents=True, mode=0o700)
    yield unfinished
    unfinished.replace(folder)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Returns when the names in the folder would outlast a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def set_aside(path: Path, rest: bytes | None = None) -> Path:
    """Keeps a damaged file, or the damaged rest of one, where nobody reads it. Its new path. Raises OSError."""
    asides = (path.with_name(f"{path.name}.damaged-{number}") for number in itertools.count(1))
    aside = next(each for each in asides if not each.exists())
    if rest is None:
        path.replace(aside)
    else:
        aside.write_bytes(rest)
    return aside
