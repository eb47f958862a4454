"""Makes the Pulumi CLI usable.

In this order: the `pulumi` on PATH when it is recent enough, the one that is installed already, Pulumi's official
release checked against its published SHA-256, and, where the release host cannot be reached, a build from the Go
modules pinned beside this file.
"""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.pulumi.common import VERSION, InstallError, UnreachableError, say


def install(directory: Path) -> Path:
    """Makes the CLI usable and returns the folder to put on PATH.

    `directory` is made where needed and is this function's alone; `bin` in it is whole at every moment, or missing.

    Raises:
        InstallError: when it cannot be had.
    """
    directory = directory.resolve()
    folder = directory / "bin"
    if on_path := usable_on_path(folder):
        return on_path
    if is_installed(folder):
        return folder
    from tools.pulumi import release  # takes a while to load, and most runs end above

    release.archive_name()
    directory.mkdir(parents=True, exist_ok=True)
    with locked(directory):
        if is_installed(folder):
            return folder
        started = time.monotonic()
        say(f"installing {VERSION} into {folder}")
        new = Path(tempfile.mkdtemp(prefix=".new-", dir=directory))
        try:
            staged = new / "bin"
            staged.mkdir()
            fill(staged)
            if folder.exists():
                folder.rename(new / "old")
            staged.rename(folder)
        finally:
            for leftover in directory.glob(".new-*"):  # of this run, and of killed ones
                shutil.rmtree(leftover, ignore_errors=True)
        say(f"installed {VERSION} in {time.monotonic() - started:.0f} s")
    return folder


def usable_on_path(own: Path) -> Path | None:
    """The folder of a recent `pulumi` on PATH that has its Python language host; `own` does not count."""
    folders = [folder for folder in os.get_exec_path() if Path(folder).resolve() != own]
    found = shutil.which("pulumi", path=os.pathsep.join(folders))
    if found is None:
        return None
    version = cli_version(Path(found))
    if not is_recent(version):
        say(f"{found} is passed over: it is {version or 'not usable'}, at least {VERSION} is needed")
        return None
    beside = [str(Path(found).parent), str(Path(found).resolve().parent)]
    if shutil.which("pulumi-language-python", path=os.pathsep.join(beside + folders)) is None:
        say(f"{found} is passed over: no pulumi-language-python beside it or on PATH")
        return None
    return Path(found).absolute().parent


def cli_version(pulumi: Path) -> str:
    """What `pulumi version` prints, without the v; empty when it cannot be run."""
    quiet = os.environ | {"PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        answer = subprocess.run([pulumi, "version"], capture_output=True, text=True, check=True, timeout=20, env=quiet)
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip().removeprefix("v")


def is_recent(version: str) -> bool:
    """Whether a version is at least VERSION; a pre-release comes before its release."""
    found = re.match(r"(\d+)\.(\d+)\.(\d+)(-?)", version)
    if found is None:
        return False
    wanted = tuple(map(int, VERSION.split(".")))
    return (*map(int, found.group(1, 2, 3)), not found[4]) >= (*wanted, True)


def is_installed(folder: Path) -> bool:
    """Whether a folder holds a whole installation of the pinned version; its mark is written last."""
    programs = [folder / "pulumi", folder / "pulumi-language-python"]
    mark = folder / ".version"
    return mark.is_file() and mark.read_text() == VERSION and all(os.access(program, os.X_OK) for program in programs)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Holds the lock of a directory; the system gives it back when the process dies."""
    with (directory / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another installation into {directory}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def fill(into: Path) -> None:
    """Puts a working CLI in an empty folder. Raises InstallError."""
    from tools.pulumi import build, release

    try:
        release.fetch_release(into)
    except UnreachableError as error:
        say(f"the release cannot be had: {error}")
        build.build_from_source(into)
    (into / ".version").write_text(VERSION)
    if not is_installed(into) or cli_version(into / "pulumi") != VERSION:
        raise InstallError(
            f"this is no pulumi {VERSION} that runs here with its Python language host. Nothing was kept."
        )
