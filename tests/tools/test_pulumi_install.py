"""The installer of the Pulumi CLI: what is there already, two runs at once, the command that calls it."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.tools.releases import (
    ARCHIVE,
    CHECKSUMS,
    ReleaseHost,
    names,
    wait_until,
    write_cli,
    write_program,
)
from tools.pulumi.common import VERSION
from tools.pulumi.install import cli_version, install

ROOT = Path(__file__).parent.parent.parent
PROGRAM = """
import sys
from pathlib import Path
from infra.command_line import run
from tools import environment

environment.CLI = Path(sys.argv.pop())
run("environment", environment.main)
"""
"""`python -m tools.environment`, with another folder to install into."""


# ---- what is there already


@pytest.mark.parametrize("version", [VERSION, "3.259.1", "3.1000.0", "4.0.0", "4.0.0-alpha.1"])
def test_a_recent_cli_on_path_is_used_and_nothing_is_installed(path: Path, directory: Path, version: str) -> None:
    write_cli(path, version)

    assert install(directory) == path
    assert not directory.exists()


def test_the_language_host_may_lie_beside_the_program_that_a_link_on_path_names(
    path: Path, tmp_path: Path, directory: Path
) -> None:
    write_cli(tmp_path / "real")
    (path / "pulumi").symlink_to(tmp_path / "real" / "pulumi")

    assert install(directory) == path


@pytest.mark.parametrize("version", ["3.258.9", "2.999.0", f"{VERSION}-alpha.1", "dev", "", "3.259"])
def test_an_old_cli_on_path_is_passed_over(host: ReleaseHost, path: Path, directory: Path, version: str) -> None:
    write_cli(path, version)
    host.publish()

    assert install(directory) == directory / "bin"


def test_a_cli_on_path_that_fails_is_passed_over(host: ReleaseHost, path: Path, directory: Path) -> None:
    write_cli(path)
    write_program(path, "pulumi", f"echo v{VERSION}; exit 1")
    host.publish()

    assert install(directory) == directory / "bin"


def test_a_cli_on_path_without_its_language_host_is_passed_over(host: ReleaseHost, path: Path, directory: Path) -> None:
    write_program(path, "pulumi", f"echo v{VERSION}")
    host.publish()

    assert install(directory) == directory / "bin"


def test_a_second_run_does_nothing(host: ReleaseHost, directory: Path) -> None:
    host.publish()
    install(directory)
    before = (directory / "bin").stat()
    host.requests.clear()

    assert install(directory) == directory / "bin"

    assert host.requests == []
    assert (directory / "bin").stat() == before


def test_an_installation_of_another_version_is_replaced_as_a_whole(host: ReleaseHost, directory: Path) -> None:
    write_cli(directory / "bin", "3.1.0")
    (directory / "bin" / ".version").write_text("3.1.0")
    write_program(directory / "bin", "pulumi-language-old")
    host.publish()

    install(directory)

    assert names(directory / "bin") == {"pulumi", "pulumi-language-python", ".version"}
    assert cli_version(directory / "bin" / "pulumi") == VERSION


@pytest.mark.parametrize("missing", [".version", "pulumi", "pulumi-language-python"])
def test_a_half_made_installation_is_not_taken_even_when_it_is_on_path(
    host: ReleaseHost, directory: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    write_cli(directory / "bin")
    (directory / "bin" / ".version").write_text(VERSION)
    (directory / "bin" / missing).unlink()
    monkeypatch.setenv("PATH", str(directory / "bin"))
    host.publish()

    assert install(directory) == directory / "bin"

    assert host.requests == [f"/{CHECKSUMS}", f"/{ARCHIVE}"]
    assert names(directory / "bin") == {"pulumi", "pulumi-language-python", ".version"}


def test_of_two_runs_at_once_one_installs_and_the_other_waits(
    host: ReleaseHost, directory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    building, go_on = threading.Event(), threading.Event()
    results: list[Path] = []

    def slow_build(into: Path) -> None:
        building.set()
        assert go_on.wait(10)
        monkeypatch.setattr("tools.pulumi.build.build_from_source", never_again)
        write_cli(into)

    def never_again(into: Path) -> None:
        pytest.fail("it was built twice")

    def run() -> None:
        results.append(install(directory))

    monkeypatch.setattr("tools.pulumi.build.build_from_source", slow_build)
    first, second = threading.Thread(target=run), threading.Thread(target=run)
    told = ""

    def second_waits() -> bool:
        nonlocal told
        told += capsys.readouterr().err
        return "waiting for another installation" in told

    first.start()
    assert building.wait(10)
    second.start()
    wait_until(second_waits)
    go_on.set()
    first.join()
    second.join()

    assert results == [directory / "bin"] * 2


# ---- the command


def run_command(directory: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM, str(directory)]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=30)


def test_the_command_prints_what_a_shell_takes(path: Path, directory: Path) -> None:
    write_cli(path)

    done = run_command(directory, {"PATH": str(path)})

    assert (done.returncode, done.stderr) == (0, "")
    assert all(line.startswith("export ") for line in done.stdout.splitlines())
    (searched,) = [line for line in done.stdout.splitlines() if line.startswith("export PATH=")]
    assert searched.split(os.pathsep)[1] == str(path)


@pytest.fixture
def no_network() -> dict[str, str]:
    """An environment in which every host is refused: its proxy is a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        return {"https_proxy": f"http://127.0.0.1:{closed.getsockname()[1]}"}


def test_an_error_goes_to_stderr_with_status_one(path: Path, directory: Path, no_network: dict[str, str]) -> None:
    done = run_command(directory, {"PATH": str(path)} | no_network)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith(f"environment: Pulumi {VERSION} can be neither downloaded nor built")
    assert "Traceback" not in done.stderr


def test_a_directory_that_cannot_be_made_is_an_error_without_traceback(path: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    done = run_command(tmp_path / "file" / "pulumi", {"PATH": str(path)})

    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line == f"environment: {tmp_path}/file/pulumi: Not a directory"


def _heed_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def hanging_build(
    path: Path, directory: Path, environment: dict[str, str]
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The command in the middle of a build that does not end, and the process id of its Go."""
    started = path / "started"
    hang = f"echo $$ > {started}.new; /bin/mv {started}.new {started}; exec /bin/sleep 60"
    write_program(path, "go", f'[ "$1" = env ] && echo go1.26.0 || {{ {hang}; }}')
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(directory)],
        env={"PATH": str(path)} | environment,
        cwd=ROOT,
        # A shell starts what is in its background with SIGINT ignored, and all below inherit that: the tests of a CI
        # that is started so, and what they start.
        preexec_fn=_heed_interrupts,  # noqa: PLW1509 (no other thread of the tests holds a lock that it needs)
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_until(started.exists)
        yield process, int(started.read_text())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_build_stops_go_and_leaves_nothing(
    path: Path, directory: Path, no_network: dict[str, str], number: signal.Signals
) -> None:
    with hanging_build(path, directory, no_network) as (process, go):
        process.send_signal(number)
        out, err = process.communicate(timeout=10)

    assert (process.returncode, out) == (-signal.SIGINT, "")
    assert "Traceback" not in err
    assert names(directory) == {".lock"}
    with pytest.raises(ProcessLookupError):
        os.kill(go, 0)


def test_what_a_killed_run_leaves_is_never_used_and_goes_with_the_next_run(
    host: ReleaseHost, path: Path, directory: Path, no_network: dict[str, str]
) -> None:
    with hanging_build(path, directory, no_network) as (process, go):
        process.kill()
        process.communicate(timeout=10)
        os.kill(go, signal.SIGKILL)
    assert "bin" not in names(directory)
    assert len(names(directory)) == 2
    host.publish()

    install(directory)

    assert names(directory) == {"bin", ".lock"}
