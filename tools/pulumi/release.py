"""The official release of the Pulumi CLI, checked against its published SHA-256."""

import hashlib
import platform
import re
import shutil
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import httpx

from tools.pulumi.common import PROGRESS_SECONDS, RELEASES_URL, VERSION, InstallError, UnreachableError, say

CONNECT_SECONDS = 10
"""For the connection, and for each pause of an answer. The look-up of a name has the resolver's own limits."""


def archive_name() -> str:
    """The release archive for this platform. Raises InstallError where Pulumi has none."""
    system, machine = platform.system(), platform.machine()
    systems = {"linux": "linux", "darwin": "darwin"}
    machines = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}
    try:
        return f"pulumi-v{VERSION}-{systems[system.lower()]}-{machines[machine.lower()]}.tar.gz"
    except KeyError:
        raise InstallError(
            f"this is {system} {machine}; Pulumi {VERSION} is installed on Linux and macOS, on x86-64 and arm64. "
            f"Put a pulumi of at least {VERSION} for this platform on PATH, with its pulumi-language-python."
        ) from None


def fetch_release(into: Path) -> None:
    """Puts the official release in an empty folder.

    Raises:
        UnreachableError: when the host does not give it.
        InstallError: when it is not what was published.
    """
    archive = archive_name()
    say(f"downloading {archive} from {httpx.URL(RELEASES_URL).host}, usually less than a minute")
    expected = published_checksum(archive)
    saved = into.parent / archive
    actual = download(f"{RELEASES_URL}/{archive}", saved)
    if actual != expected:
        raise InstallError(
            f"{archive} has the SHA-256 {actual}, but Pulumi published {expected}. Nothing was installed. "
            "Run this again; if it stays so, something between this machine and Pulumi changes the file."
        )
    unpack(saved, into)


def published_checksum(archive: str) -> str:
    """The SHA-256 of an archive, in hex, from the checksum file of its release. Raises UnreachableError."""
    url = f"{RELEASES_URL}/pulumi-{VERSION}-checksums.txt"
    with answer_of(url) as answer:
        lines = answer.read().decode(errors="replace").splitlines()
    for line in lines:
        if match := re.fullmatch(rf"([0-9a-f]{{64}})  {re.escape(archive)}", line):
            return match[1]
    # Such an answer is from something in between, for instance the sign-in page of a network.
    raise UnreachableError(f"{url} does not name {archive}")


def download(url: str, to: Path) -> str:
    """Saves what a URL gives and returns its SHA-256 in hex. Raises UnreachableError."""
    digest, received, told = hashlib.sha256(), 0, time.monotonic()
    with answer_of(url) as answer, to.open("wb") as file:
        for chunk in answer.iter_raw():
            file.write(chunk)
            digest.update(chunk)
            received += len(chunk)
            if time.monotonic() - told > PROGRESS_SECONDS:
                told = time.monotonic()
                say(f"  {received >> 20} of {int(answer.headers.get('Content-Length', 0)) >> 20} MiB")
    return digest.hexdigest()


@contextmanager
def answer_of(url: str) -> Iterator[httpx.Response]:
    """The answer to a GET, with its body still to read. An answer that breaks off is an error, too.

    Raises UnreachableError.
    """
    try:
        with httpx.stream("GET", url, timeout=CONNECT_SECONDS, follow_redirects=True) as answer:
            yield answer.raise_for_status()
    except httpx.HTTPError as error:
        raise UnreachableError(f"{url}: {error!r}") from error


def unpack(archive: Path, into: Path) -> None:
    """Copies the programs of a release, the plain files right under `pulumi/`, into a folder.

    Nothing else of the archive is used, so no name, link or mode in it reaches out of the folder. (The filters of
    `tarfile`, made for this, are missing in the Python 3.11.2 of Debian 12.)
    """
    with tarfile.open(archive, "r:gz") as members:
        for member in members:
            parts = PurePosixPath(member.name).parts
            content = members.extractfile(member) if member.isreg() else None
            if content is None or len(parts) != 2 or parts[0] != "pulumi" or parts[1] == "..":
                continue
            with (into / parts[1]).open("wb") as file:
                shutil.copyfileobj(content, file)
            (into / parts[1]).chmod(0o755)
