"""Files that may hold a password."""

from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Replaces the file in one step, readable by its owner alone."""
    part = path.with_suffix(f"{path.suffix}.part")
    part.touch(mode=0o600)
    part.write_text(text)
    part.replace(path)
