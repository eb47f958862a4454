"""The build of the Pulumi CLI from source, with a `go` that is a shell script."""

import os
import re
from pathlib import Path

import pytest

from tests.tools.releases import ReleaseHost, names, write_program
from tools.pulumi import build
from tools.pulumi.build import build_from_source
from tools.pulumi.common import VERSION, InstallError
from tools.pulumi.install import install


@pytest.fixture(autouse=True)
def really_build(never_build: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "build_from_source", build_from_source)


@pytest.fixture
def go(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `go` that logs how it was called and makes programs as the real one does. Returns the log."""
    log, sdk = tmp_path / "go.log", tmp_path / "sdk"
    write_program(sdk / "python" / "cmd", "pulumi-language-python-exec").chmod(0o444)
    write_program(sdk / "python" / "dist", "pulumi-resource-pulumi-python").chmod(0o444)
    write_program(
        path,
        "go",
        f"""
        echo "${{PWD##*/}} $GOFLAGS $GOTOOLCHAIN $GOWORK $CGO_ENABLED: $*" >> {log}
        case "$1 $2" in
            "env GOVERSION") echo go1.26.8 ;;
            "list -deps") echo "go: downloading example.org/a v1.0.0" >&2; echo example.org/a/b; echo "$3" ;;
            "build -v")
                echo example.org/a/b >&2
                printf '#!/bin/sh\\necho v{VERSION}\\n' > "$6"
                /bin/chmod +x "$6" ;;
            "list -m") echo {sdk} ;;
        esac
        """,
    )
    return log


def test_the_build_makes_four_programs_from_the_pinned_modules(go: Path, host: ReleaseHost, directory: Path) -> None:
    assert install(directory) == directory / "bin"

    assert names(directory) == {"bin", ".lock"}
    programs = {
        "pulumi",
        "pulumi-language-python",
        "pulumi-language-python-exec",
        "pulumi-resource-pulumi-python",
    }
    assert names(directory / "bin") == programs | {".version"}
    assert all(os.access(directory / "bin" / program, os.X_OK) for program in programs)
    environment = "-mod=readonly -trimpath local off 0"
    cli = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
    language = "github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python"
    stamp = "-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"
    calls = [re.sub(r"-o \S+", "-o OUT", call) for call in go.read_text().splitlines()[1:]]
    assert calls == [
        f"cli {environment}: list -deps {cli}",
        f"cli {environment}: build -v -ldflags {stamp}=v{VERSION} -o OUT {cli}",
        f"language {environment}: list -deps {language}",
        f"language {environment}: build -v -ldflags {stamp}=v3.79.0 -o OUT {language}",
        f"language {environment}: list -m -f {{{{.Dir}}}} github.com/pulumi/pulumi/sdk/v3",
    ]


def test_a_build_tells_how_far_it_is(
    go: Path, path: Path, tmp_path: Path, host: ReleaseHost, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    script = (path / "go").read_text()
    wait = f"echo example.org/a/b >&2; until [ -e {seen} ]; do /bin/sleep 0.01; done"
    (path / "go").write_text(script.replace("echo example.org/a/b >&2", wait))
    monkeypatch.setattr(build, "PROGRESS_SECONDS", 0.01)

    def go_on_once_told(message: str) -> None:
        if "pulumi: 1 of 2 packages compiled, 0 s" in message:
            seen.touch()

    monkeypatch.setattr(build, "say", go_on_once_told)

    install(directory)

    assert seen.exists()


def test_a_build_that_fails_shows_what_go_said_and_leaves_nothing(
    go: Path, path: Path, host: ReleaseHost, directory: Path
) -> None:
    (path / "go").write_text(
        (path / "go").read_text().replace("/bin/chmod", "echo verifying: checksum mismatch; exit 1")
    )

    with pytest.raises(InstallError, match=r"(?s)go build -v .* failed in .*cli:.*\nverifying: checksum mismatch"):
        install(directory)

    assert names(directory) == {".lock"}


def test_without_the_host_and_without_go_both_ways_are_named(host: ReleaseHost, directory: Path) -> None:
    with pytest.raises(InstallError) as error:
        install(directory)

    assert str(error.value) == (
        f"Pulumi {VERSION} can be neither downloaded nor built: there is no go on PATH. Let this machine reach "
        "https://get.pulumi.com/releases/sdk, or install Go 1.26 or newer (https://go.dev/dl/); then run this again."
    )
    assert names(directory) == {".lock"}


def test_an_old_go_is_named_with_its_version(path: Path, tmp_path: Path) -> None:
    go = write_program(path, "go", "echo go1.25.9")

    with pytest.raises(InstallError, match=rf"neither downloaded nor built: {go} is go1\.25\.9\. Let this"):
        build_from_source(tmp_path)
