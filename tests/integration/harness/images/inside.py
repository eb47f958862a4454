"""What is in an image, and how it starts: as in a pod, with a read-only root and as a user that may do nothing."""

import os
import stat
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.integration.harness.images.registry import Manifest

DEADLINE_SECONDS = 120
READ_ONLY = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'
"""In a mount namespace of its own, so the image stays as it was for everybody else."""


@dataclass(frozen=True)
class Started:
    code: int
    printed: str
    complained: str


def start(
    root: Path,
    manifest: Manifest,
    *,
    command: Sequence[str] = (),
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Started:
    """What the image does until it ends, or what the command does instead of its entry point."""
    config = manifest.config
    user, _, group = config["User"].partition(":")
    variables = [*config.get("Env", []), *(f"{name}={value}" for name, value in (environment or {}).items())]
    who = (f"--setgid={group}", f"--setuid={user}", "--net")
    where = (f"--root={root}", f"--wd={config.get('WorkingDir') or '/'}")
    done = subprocess.run(
        [
            *("unshare", "--mount", "--", "sh", "-c", READ_ONLY, "sh", str(root), "unshare", *who, *where, "--"),
            *(command or config["Entrypoint"]),
            *arguments,
        ],
        env=dict(variable.split("=", 1) for variable in variables),
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
    )
    return Started(done.returncode, done.stdout, done.stderr)


@cache
def files(root: Path) -> Sequence[str]:
    """Every file, and every link that leads somewhere, relative to the root and sorted. Of what does not change."""
    found = []
    for folder, _, names in os.walk(root):
        found += [Path(folder, name) for name in names]
    return sorted(str(path.relative_to(root)) for path in found if _leads_somewhere(path, root))


def containing(root: Path, words: str) -> list[str]:
    """Files with these words in them, relative to the root. grep reads 300 MB in a second."""
    found = subprocess.run(
        ["grep", "--recursive", "--files-with-matches", "--null", "--fixed-strings", "--text", words, "."],
        cwd=root,
        capture_output=True,
    )
    assert found.returncode in (0, 1), found.stderr
    return sorted(os.path.normpath(os.fsdecode(name)) for name in found.stdout.split(b"\0") if name)


def writable(root: Path, user: int = 65532) -> list[str]:
    """Every file and folder that this user, who is in no group but the one of the same number, may write."""
    found = [path for path in root.rglob("*") if not path.is_symlink()]
    return sorted(str(path.relative_to(root)) for path in found if _may_write(path.lstat(), user))


def _may_write(status: os.stat_result, user: int) -> bool:
    if status.st_uid == user:  # who owns it may let himself
        return True
    if status.st_gid == user:
        return bool(status.st_mode & stat.S_IWGRP)
    return bool(status.st_mode & stat.S_IWOTH)


def _leads_somewhere(path: Path, root: Path) -> bool:
    if not path.is_symlink():
        return True
    target = Path(os.path.normpath(path.parent / path.readlink()))
    return (root / target.relative_to("/") if path.readlink().is_absolute() else target).exists()
