"""Makes the Pulumi CLI usable: `python install.py DIR` prints the folder to put on PATH, and nothing else.

In this order: the `pulumi` on PATH when it is recent enough, the one already in DIR/bin, Pulumi's official release
checked against its published SHA-256, and, where the release host cannot be reached, a build from the Go modules
pinned beside this file. One file and the standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import hashlib
import http.client
import math
import os
import platform
import queue
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

VERSION = "3.259.0"
RELEASES_URL = "https://get.pulumi.com/releases/sdk"
LANGUAGE_VERSION = "3.79.0"
OLDEST_GO = (1, 26)

CONNECT_SECONDS = 10
UNREACHABLE_SECONDS = 12  # CONNECT_SECONDS bounds one address; the look-up and further addresses come on top
PROGRESS_SECONDS = 5
SOURCES = Path(__file__).resolve().parent


class InstallError(Exception):
    """The CLI cannot be installed; the message says why and what would help."""


class UnreachableError(Exception):
    """The release host does not give the release; the message is the reason."""


def say(message: str) -> None:
    """Tell the person. stdout is kept for the one line that the caller reads."""
    print(f"pulumi: {message}", file=sys.stderr, flush=True)


# ---- what is there already


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


def is_installed(folder: Path) -> bool:
    """Whether a folder holds a whole installation of the pinned version; its mark is written last."""
    programs = [folder / "pulumi", folder / "pulumi-language-python"]
    mark = folder / ".version"
    return mark.is_file() and mark.read_text() == VERSION and all(os.access(program, os.X_OK) for program in programs)


# ---- the official release


def archive_name(system: str, machine: str) -> str:
    """The release archive for a platform as `uname` names it. Raises InstallError where Pulumi has none."""
    systems = {"linux": "linux", "darwin": "darwin"}
    machines = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}
    try:
        return f"pulumi-v{VERSION}-{systems[system.lower()]}-{machines[machine.lower()]}.tar.gz"
    except KeyError:
        raise InstallError(
            f"this is {system} {machine}; Pulumi {VERSION} is installed on Linux and macOS, on x86-64 and arm64. "
            f"Put a pulumi of at least {VERSION} for this platform on PATH, with its pulumi-language-python."
        ) from None


@contextmanager
def network(url: str) -> Iterator[None]:
    """Turns every failure of the network (name, connection, TLS, HTTP) into UnreachableError."""
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        reason = getattr(error, "reason", None)
        raise UnreachableError(f"{url}: {reason if isinstance(reason, Exception) else error!r}") from error


def open_url(url: str) -> http.client.HTTPResponse:
    """The answer to a GET, with its body still to read. Raises UnreachableError."""
    # Some content networks turn the default agent of urllib away.
    request = urllib.request.Request(url, headers={"User-Agent": f"shop-install/{VERSION}"})  # noqa: S310
    answers: queue.SimpleQueue[http.client.HTTPResponse | Exception] = queue.SimpleQueue()

    def get() -> None:
        try:
            answers.put(urllib.request.urlopen(request, timeout=CONNECT_SECONDS))  # noqa: S310
        except Exception as error:
            answers.put(error)

    # A thread, because the look-up of a name has no time-out of its own.
    threading.Thread(target=get, daemon=True).start()
    with network(url):
        try:
            answer = answers.get(timeout=UNREACHABLE_SECONDS)
        except queue.Empty:
            raise TimeoutError(f"no answer in {UNREACHABLE_SECONDS} s") from None
        if isinstance(answer, Exception):
            raise answer
    return answer


def published_checksum(releases_url: str, archive: str) -> str:
    """The SHA-256 of an archive, in hex, from the checksum file of its release. Raises UnreachableError."""
    url = f"{releases_url}/pulumi-{VERSION}-checksums.txt"
    with open_url(url) as response, network(url):
        text = response.read(1 << 20).decode(errors="replace")
    for line in text.splitlines():
        if match := re.fullmatch(rf"([0-9a-f]{{64}})  {re.escape(archive)}", line):
            return match[1]
    # Such an answer is from something in between, for instance the sign-in page of a network.
    raise UnreachableError(f"{url} does not name {archive}")


def download(url: str, to: Path) -> str:
    """Saves what a URL gives and returns its SHA-256 in hex. Raises UnreachableError."""
    digest, received, told = hashlib.sha256(), 0, time.monotonic()
    with open_url(url) as response, to.open("wb") as file:
        total = int(response.headers.get("Content-Length", 0))
        while True:
            with network(url):
                chunk = response.read1(1 << 16)
            if not chunk:
                break
            file.write(chunk)
            digest.update(chunk)
            received += len(chunk)
            if time.monotonic() - told > PROGRESS_SECONDS:
                told = time.monotonic()
                say(f"  {received >> 20} of {total >> 20} MiB" if total else f"  {received >> 20} MiB")
    if received < total:
        raise UnreachableError(f"{url} broke off after {received} of {total} bytes")
    return digest.hexdigest()


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


def fetch_release(into: Path, releases_url: str) -> None:
    """Puts the official release in an empty folder.

    Raises UnreachableError when the host does not give it, InstallError when it is not what was published.
    """
    archive = archive_name(platform.system(), platform.machine())
    say(f"downloading {archive} from {urlsplit(releases_url).netloc}, usually less than a minute")
    expected = published_checksum(releases_url, archive)
    saved = into.parent / archive
    actual = download(f"{releases_url}/{archive}", saved)
    if actual != expected:
        raise InstallError(
            f"{archive} has the SHA-256 {actual}, but Pulumi published {expected}. Nothing was installed. "
            "Run this again; if it stays so, something between this machine and Pulumi changes the file."
        )
    unpack(saved, into)


# ---- the build from source


def go_environment() -> dict[str, str]:
    """The environment of every Go command: the committed go.mod and go.sum alone decide what is built."""
    pinned = {"GOFLAGS": "-mod=readonly -trimpath", "GOTOOLCHAIN": "local", "GOWORK": "off", "CGO_ENABLED": "0"}
    return os.environ | pinned


def usable_go() -> str:
    """The path of the `go` command. Raises InstallError when there is none or it is too old."""
    found = "there is no go on PATH"
    if go := shutil.which("go"):
        command = [go, "env", "GOVERSION"]
        answer = subprocess.run(command, capture_output=True, text=True, check=False, env=go_environment()).stdout
        match = re.search(r"go(\d+)\.(\d+)", answer)
        if match and (int(match[1]), int(match[2])) >= OLDEST_GO:
            return go
        found = f"{go} is {answer.strip() or 'not usable'}"
    raise InstallError(
        f"Pulumi {VERSION} can be neither downloaded nor built: {found}. Let this machine reach {RELEASES_URL}, "
        f"or install Go {OLDEST_GO[0]}.{OLDEST_GO[1]} or newer (https://go.dev/dl/); then run this again."
    )


def run_go(arguments: list[str], module: Path, temporary: Path, progress: Callable[[list[str]], str]) -> list[str]:
    """The lines that a Go command prints; `progress` puts those so far in words, told every few seconds."""
    printed = temporary / "go.log"
    started = time.monotonic()
    with (
        printed.open("wb") as output,
        subprocess.Popen(
            arguments,
            cwd=module,
            env=go_environment() | {"GOTMPDIR": str(temporary)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,
        ) as process,
    ):
        try:
            while process.poll() is None:
                try:
                    process.wait(PROGRESS_SECONDS)
                except subprocess.TimeoutExpired:
                    said = progress(printed.read_text().splitlines())
                    say(f"  {said}, {time.monotonic() - started:.0f} s")
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)  # the whole group: alone, Go would wait for its compilers
            process.wait()
            raise
    lines = printed.read_text().splitlines()
    if process.returncode != 0:
        raise InstallError("\n".join([f"{' '.join(arguments)} failed in {module}:", *lines[-20:]]))
    return lines


def build_program(go: str, package: str, version: str, module: Path, into: Path) -> None:
    """Builds one program from the pinned modules of a folder under SOURCES."""
    name, temporary = package.rpartition("/")[2], into.parent

    def fetched(lines: list[str]) -> str:
        return f"{name}: {sum(line.startswith('go: downloading') for line in lines)} modules fetched"

    def compiled(lines: list[str]) -> str:
        return f"{name}: {len(packages.intersection(lines))} of {len(packages)} packages compiled"

    listed = run_go([go, "list", "-deps", package], module, temporary, fetched)
    packages = {line for line in listed if not line.startswith("go: ")}
    stamp = f"-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{version}"
    command = [go, "build", "-v", "-ldflags", stamp, "-o", str(into / name), package]
    run_go(command, module, temporary, compiled)


def build_from_source(into: Path) -> None:
    """Builds the CLI and its Python language host into an empty folder. Raises InstallError."""
    go = usable_go()
    say("building it from the pinned Go modules, usually five minutes on two cores")
    sdk = "github.com/pulumi/pulumi/sdk/v3"
    language = SOURCES / "language"
    build_program(go, "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", VERSION, SOURCES / "cli", into)
    build_program(go, f"{sdk}/python/cmd/pulumi-language-python", LANGUAGE_VERSION, language, into)
    (folder,) = run_go([go, "list", "-m", "-f", "{{.Dir}}", sdk], language, into.parent, str)
    for script in ("cmd/pulumi-language-python-exec", "dist/pulumi-resource-pulumi-python"):
        source = Path(folder, "python", script)
        shutil.copyfile(source, into / source.name)
        (into / source.name).chmod(0o755)


# ---- putting it in place


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Holds the lock of a directory; the system gives it back when the process dies."""
    import fcntl  # not on Windows, which is to get its message from archive_name

    with (directory / ".lock").open("w") as file:
        told = -math.inf
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() - told > PROGRESS_SECONDS:
                    told = time.monotonic()
                    say(f"waiting for another installation into {directory}")
                time.sleep(0.1)
        yield


def fill(into: Path, releases_url: str, build: Callable[[Path], None]) -> None:
    """Puts a working CLI in an empty folder. Raises InstallError."""
    try:
        fetch_release(into, releases_url)
    except UnreachableError as error:
        say(f"the release cannot be had: {error}")
        build(into)
    (into / ".version").write_text(VERSION)
    if not is_installed(into) or cli_version(into / "pulumi") != VERSION:
        raise InstallError(
            f"this is no pulumi {VERSION} that runs here with its Python language host. Nothing was kept."
        )


def install(
    directory: Path, *, releases_url: str = RELEASES_URL, build: Callable[[Path], None] = build_from_source
) -> Path:
    """Makes the CLI usable and returns the folder to put on PATH.

    `directory` is made where needed and is this function's alone; `bin` in it is whole at every moment, or missing.
    Raises InstallError.
    """
    directory = directory.resolve()
    folder = directory / "bin"
    if on_path := usable_on_path(folder):
        return on_path
    archive_name(platform.system(), platform.machine())
    directory.mkdir(parents=True, exist_ok=True)
    with locked(directory):
        if is_installed(folder):
            return folder
        started = time.monotonic()
        new = Path(tempfile.mkdtemp(prefix=".new-", dir=directory))
        try:
            staged = new / "bin"
            staged.mkdir()
            say(f"installing {VERSION} into {folder}")
            fill(staged, releases_url, build)
            if folder.exists():
                folder.rename(new / "old")
            staged.rename(folder)
        finally:
            for leftover in directory.glob(".new-*"):  # of this run, and of killed ones
                shutil.rmtree(leftover, ignore_errors=True)
        say(f"installed {VERSION} in {time.monotonic() - started:.0f} s")
    return folder


def main(arguments: list[str]) -> int:
    """The command line. Returns the exit status: 0, 1 for an error, 2 for a wrong call, 130 when interrupted."""
    if len(arguments) != 1:
        print("usage: python install.py DIR", file=sys.stderr)
        return 2
    for number in (signal.SIGTERM, signal.SIGHUP):  # to stop Go and clean up as on Ctrl-C
        signal.signal(number, signal.default_int_handler)
    try:
        print(install(Path(arguments[0])))
    except (InstallError, OSError) as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        say("interrupted; nothing was installed")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
