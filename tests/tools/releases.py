"""A release host on loopback and Pulumi programs that are shell scripts, for the tests of the installer."""

import hashlib
import io
import tarfile
import time
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tools.pulumi.common import VERSION

CHECKSUMS = f"pulumi-{VERSION}-checksums.txt"
ARCHIVE = f"pulumi-v{VERSION}-linux-x64.tar.gz"


def write_program(folder: Path, name: str, shell: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\n{shell}\n")
    program.chmod(0o755)
    return program


def write_cli(folder: Path, version: str = VERSION) -> None:
    write_program(folder, "pulumi", f"echo v{version}")
    write_program(folder, "pulumi-language-python")


def add_file(archive: tarfile.TarFile, name: str, content: str) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content.encode()))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def wait_until(condition: Callable[[], object], deadline_seconds: float = 10) -> None:
    end = time.monotonic() + deadline_seconds
    while not condition():
        assert time.monotonic() < end, "the condition did not come true"
        time.sleep(0.01)


class ReleaseHost:
    """A real HTTP server of a folder that holds one release, made as Pulumi makes it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.requests: list[str] = []
        folder.mkdir()
        host = self

        class Handler(SimpleHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                host.requests.append(self.path)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def publish(self, version: str = VERSION, *, language_host: bool = True) -> None:
        with tarfile.open(self.folder / ARCHIVE, "w:gz") as archive:
            add_file(archive, "pulumi/pulumi", f"#!/bin/sh\necho v{version}\n")
            if language_host:
                add_file(archive, "pulumi/pulumi-language-python", "#!/bin/sh\n")
        self.publish_checksum()

    def publish_checksum(self, checksum: str | None = None) -> None:
        checksum = checksum or hashlib.sha256((self.folder / ARCHIVE).read_bytes()).hexdigest()
        other = f"{'0' * 64}  pulumi-v{VERSION}-linux-arm64.tar.gz\n"
        (self.folder / CHECKSUMS).write_text(f"{other}{checksum}  {ARCHIVE}\n")
