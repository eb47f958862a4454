"""What an image is built of: the files that its `Dockerfile.dockerignore` lets through, and the tag that follows.

BuildKit and pulumi-docker-build prefer `<Dockerfile>.dockerignore` to the `.dockerignore` of the context. Each image
names its own sources there, so that a change of one service neither rebuilds nor re-tags another one. The tag is made
of exactly those files: what makes Docker build again gives a new tag, as an immutable repository demands.
"""

import hashlib
from fnmatch import fnmatchcase
from pathlib import Path

DIGITS = 12
WILDCARDS = frozenset("*?[]\\")


def files(context: Path, dockerfile: Path) -> list[Path]:
    """The files that Docker is sent, absolute and sorted.

    Of the ignore file's dialect three forms are enough, in this order: `*` once, `!path` for what is let in,
    `**/name` for what is kept out of that again.

    Raises:
        ValueError: for any other line, or a path that is not there.
        FileNotFoundError: without a `<Dockerfile>.dockerignore`.
    """
    ignore_file = dockerfile.with_name(f"{dockerfile.name}.dockerignore")
    included, excluded = _patterns(ignore_file)
    found: set[Path] = set()
    for name in included:
        path = context / name
        if not path.exists():
            raise ValueError(f"{ignore_file}: there is no {name} in {context}: correct the path or remove the line")
        inside = [path] if path.is_file() else path.rglob("*")
        found |= {file for file in inside if file.is_file() and not _excluded(file.relative_to(context), excluded)}
    return sorted(found)


def version(context: Path, dockerfile: Path) -> str:
    """12 hexadecimal digits that change with the name, the content or the mode of a file of the image.

    The same on every machine.
    """
    digest = hashlib.sha256()
    for file in (*files(context, dockerfile), dockerfile):
        executable = bool(file.stat().st_mode & 0o100)
        digest.update(f"{file.relative_to(context).as_posix()}\0{executable}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:DIGITS]


def _patterns(ignore_file: Path) -> tuple[list[str], list[str]]:
    lines = [line.strip() for line in ignore_file.read_text(encoding="utf-8").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if lines[:1] != ["*"]:
        raise ValueError(f"{ignore_file}: has to begin with `*`: nothing is sent but what is named")
    included: list[str] = []
    excluded: list[str] = []
    for line in lines[1:]:
        if line.startswith("!") and not excluded and WILDCARDS.isdisjoint(line):
            included.append(line.removeprefix("!"))
        elif line.startswith("**/") and "/" not in line.removeprefix("**/"):
            excluded.append(line.removeprefix("**/"))
        else:
            raise ValueError(f"{ignore_file}: `{line}` is invalid: write `!path` lines first, then `**/name` lines")
    return included, excluded


def _excluded(path: Path, patterns: list[str]) -> bool:
    return any(fnmatchcase(part, pattern) for part in path.parts for pattern in patterns)
