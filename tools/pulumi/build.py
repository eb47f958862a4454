"""The build of the Pulumi CLI from the Go modules that are pinned beside this file."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tools.pulumi.common import PROGRESS_SECONDS, RELEASES_URL, VERSION, InstallError, say

LANGUAGE_VERSION = "3.79.0"
OLDEST_GO = (1, 26)
SOURCES = Path(__file__).resolve().parent


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
