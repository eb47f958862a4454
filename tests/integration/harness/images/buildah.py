"""Debian's buildah with a storage of its own, of which the rest of the machine sees nothing. (All of its family note in
/var/lib/containers/cache by which digests they know a layer: harmless, and nobody can tell them not to.)

Steps run in a chroot in the machine's network. What it takes to reach the package indexes from this machine (mirrors,
proxies, an authority of its own) is mounted while they run: the bundle of authorities, and a home folder with the
settings of pip, uv and go. So no layer has anything of it.
"""

import ast
import json
import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
"""Where Debian, and with it Python and Go, have whom they trust."""
HOME, TEMPORARY = "home", "tmp"
PIP_OPTIONS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "default-timeout", "retries")
GO_VARIABLES = ("GOPROXY", "GOSUMDB", "GONOSUMDB", "GONOPROXY", "GOPRIVATE", "GOINSECURE")
INDENTED = "\n    "
"""What continues a value of several lines."""
SAID_AT_MOST = 4000


class BuildError(RuntimeError):
    """A step failed. The text has the command and the end of what it printed."""


@dataclass(frozen=True, kw_only=True)
class Buildah:
    folder: Path
    """Images, layers and the caches of RUN steps. Kept: a second build takes what the first one made."""

    def run(self, *arguments: str | Path) -> str:
        """What it printed. Raises: BuildError."""
        storage = ("--root", self.folder / "storage", "--runroot", self.folder / "run", "--storage-driver", "overlay")
        # The caches of RUN steps are among the temporary files.
        environment = {**os.environ, "BUILDAH_ISOLATION": "chroot", "TMPDIR": str(self.folder / TEMPORARY)}
        return ran(["buildah", *storage, *arguments], environment)

    def build(
        self, dockerfile: Path, context: Path, tag: str, arguments: Mapping[str, str], labels: Mapping[str, str]
    ) -> None:
        """The image of a Dockerfile as docker builds it: only what `<Dockerfile>.dockerignore` lets in is sent."""
        authorities = Path(ssl.get_default_verify_paths().cafile or AUTHORITIES).resolve()
        given = {"TARGETARCH": architecture(), **arguments}
        self.run(
            *("build", "--layers", "--force-rm", "--pull-never", "--network", "host", "--identity-label=false"),
            *("--file", dockerfile, "--ignorefile", dockerfile.with_name(f"{dockerfile.name}.dockerignore")),
            *("--volume", f"{authorities}:{AUTHORITIES}:ro", "--volume", f"{self.folder / HOME}:/root"),
            *(f"--build-arg={name}={value}" for name, value in given.items()),
            *(f"--label={name}={value}" for name, value in labels.items()),
            *("--tag", tag, context),
        )

    def has(self, tag: str) -> bool:
        with suppress(BuildError):
            self.run("inspect", "--type", "image", "--format", "{{.FromImageID}}", tag)
            return True
        return False


def buildah(folder: Path) -> Buildah:
    """The one of this folder, whose steps find packages as this machine does."""
    (folder / TEMPORARY).mkdir(parents=True, exist_ok=True)
    home = folder / HOME
    home.mkdir(exist_ok=True, mode=0o700)  # an index may be reached with a password
    for name, lines in settings().items():
        file = home / ".config" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{line}\n" for line in lines))
    return Buildah(folder=folder)


def settings() -> dict[str, list[str]]:
    """File below ~/.config -> its lines."""
    pip = []
    for line in ran([sys.executable, "-m", "pip", "config", "list"]).splitlines():
        key, _, value = line.partition("=")
        option = key.rpartition(".")[2]
        if option in PIP_OPTIONS:
            lines = str(ast.literal_eval(value)).splitlines()
            pip.append(f"{option} = {INDENTED.join(lines)}")
    go = shutil.which("go")
    known: dict[str, str] = json.loads(ran([go, "env", "-json", *GO_VARIABLES])) if go else {}
    return {
        "pip/pip.conf": ["[global]", f"cert = {AUTHORITIES}", *pip],
        "uv/uv.toml": ["system-certs = true"],
        "go/env": [f"{name}={value}" for name, value in known.items() if value],
    }


def ran(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> str:
    """What the command printed on its standard output. Raises: BuildError."""
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        said = (done.stdout + done.stderr)[-SAID_AT_MOST:]
        raise BuildError(f"{' '.join(map(str, command))}\nended with {done.returncode}:\n{said}")
    return done.stdout


def architecture() -> str:
    """As images name it."""
    return ran(["dpkg", "--print-architecture"]).strip()
