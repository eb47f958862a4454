"""Files that may hold a password."""

import tempfile
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Replaces the file in one step, readable by its owner alone; of several writers at once, the last one stays."""
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix=f"{path.name}.", suffix=".part", delete=False
    ) as part:
        unfinished = Path(part.name)
        try:
            part.write(text)
            part.close()
            unfinished.replace(path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
