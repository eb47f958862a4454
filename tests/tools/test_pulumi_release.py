"""The official release of the Pulumi CLI: what is taken from it, and when it is given up."""

import socket
import subprocess
import tarfile
from collections.abc import Callable
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import IO

import pytest

from tests.tools.releases import ARCHIVE, CHECKSUMS, ReleaseHost, add_file, names, write_cli
from tools.pulumi import release
from tools.pulumi.common import VERSION, InstallError
from tools.pulumi.install import install


def test_a_release_is_downloaded_checked_and_put_in_place(host: ReleaseHost, directory: Path) -> None:
    host.publish()

    assert install(directory) == directory / "bin"

    assert host.requests == [f"/{CHECKSUMS}", f"/{ARCHIVE}"]
    assert names(directory) == {"bin", ".lock"}
    assert names(directory / "bin") == {"pulumi", "pulumi-language-python", ".version"}
    assert subprocess.check_output([directory / "bin" / "pulumi"], text=True) == f"v{VERSION}\n"


def test_an_archive_that_is_not_what_was_published_is_refused_and_nothing_is_left(
    host: ReleaseHost, directory: Path
) -> None:
    host.publish()
    host.publish_checksum("a" * 64)

    with pytest.raises(InstallError, match=rf"SHA-256 [0-9a-f]{{64}}, but Pulumi published {'a' * 64}\. Nothing was"):
        install(directory)

    assert names(directory) == {".lock"}


@pytest.mark.parametrize(("version", "language_host"), [("3.1.0", True), (VERSION, False)])
def test_a_release_that_is_not_a_whole_cli_of_the_version_is_refused_and_nothing_is_left(
    host: ReleaseHost, directory: Path, version: str, language_host: bool
) -> None:
    host.publish(version, language_host=language_host)

    with pytest.raises(InstallError, match="that runs here with its Python language host"):
        install(directory)

    assert names(directory) == {".lock"}


def test_nothing_but_plain_files_under_its_own_folder_is_taken_from_an_archive(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "archive", "w:gz") as archive:
        for name in ("pulumi/good", "pulumi/../up", "../up", "pulumi/..", "/pulumi/root", "else/where", "pulumi/a/b"):
            add_file(archive, name, "content")
        link = tarfile.TarInfo("pulumi/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    into = tmp_path / "deep" / "into"
    into.mkdir(parents=True)

    release.unpack(tmp_path / "archive", into)

    assert names(into) == {"good"}
    assert names(into.parent) == {"into"}
    assert (into / "good").stat().st_mode & 0o777 == 0o755


def test_a_download_tells_how_far_it_is(
    host: ReleaseHost, directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    host.publish()
    monkeypatch.setattr(release, "PROGRESS_SECONDS", 0)

    install(directory)

    assert "pulumi:   0 of 0 MiB\n" in capsys.readouterr().err


# ---- where the release cannot be had


def refuse(host: ReleaseHost) -> str:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        return f"http://127.0.0.1:{closed.getsockname()[1]}"


def lack_the_release(host: ReleaseHost) -> str:
    return host.url


def answer_with_a_sign_in_page(host: ReleaseHost) -> str:
    (host.folder / CHECKSUMS).write_text("<html>Welcome to the hotel</html>")
    return host.url


def speak_no_tls(host: ReleaseHost) -> str:
    return host.url.replace("http:", "https:")


def have_no_such_name(host: ReleaseHost) -> str:
    return "http://no-such-host.invalid"


@pytest.mark.parametrize(
    ("make_it", "reason"),
    [
        (refuse, "Connection refused"),
        (lack_the_release, "404 File not found"),
        (answer_with_a_sign_in_page, "does not name"),
        (speak_no_tls, "SSL"),
        (have_no_such_name, "ConnectError"),
    ],
)
def test_where_the_host_does_not_give_the_release_it_is_built(
    host: ReleaseHost,
    directory: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    make_it: Callable[[ReleaseHost], str],
    reason: str,
) -> None:
    monkeypatch.setattr(release, "RELEASES_URL", make_it(host))
    monkeypatch.setattr("tools.pulumi.build.build_from_source", write_cli)

    assert install(directory) == directory / "bin"

    assert names(directory / "bin") == {"pulumi", "pulumi-language-python", ".version"}
    (told,) = [line for line in capsys.readouterr().err.splitlines() if "the release cannot be had" in line]
    assert reason in told


def test_a_download_that_breaks_off_counts_as_unreachable_and_not_as_forged(
    host: ReleaseHost, directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    host.publish()
    size = (host.folder / ARCHIVE).stat().st_size

    def send_all_but_the_last_byte(handler: SimpleHTTPRequestHandler, source: IO[bytes], out: IO[bytes]) -> None:
        out.write(source.read()[: -1 if handler.path.endswith(".gz") else None])

    monkeypatch.setattr(SimpleHTTPRequestHandler, "copyfile", send_all_but_the_last_byte)
    monkeypatch.setattr("tools.pulumi.build.build_from_source", write_cli)

    install(directory)

    assert f"received {size - 1} bytes, expected {size}" in capsys.readouterr().err


def test_a_silent_host_is_given_up(
    directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(release, "CONNECT_SECONDS", 0.1)
    monkeypatch.setattr("tools.pulumi.build.build_from_source", write_cli)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(release, "RELEASES_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        install(directory)

    assert "ReadTimeout" in capsys.readouterr().err


# ---- platforms


@pytest.mark.parametrize(
    ("system", "machine", "named"),
    [
        ("Linux", "x86_64", "linux-x64"),
        ("Linux", "aarch64", "linux-arm64"),
        ("Darwin", "x86_64", "darwin-x64"),
        ("Darwin", "arm64", "darwin-arm64"),
    ],
)
def test_every_supported_platform_has_its_archive(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str, named: str
) -> None:
    monkeypatch.setattr("platform.system", lambda: system)
    monkeypatch.setattr("platform.machine", lambda: machine)

    assert release.archive_name() == f"pulumi-v{VERSION}-{named}.tar.gz"


@pytest.mark.parametrize(("system", "machine"), [("Windows", "AMD64"), ("Linux", "riscv64")])
def test_an_unsupported_platform_is_named_before_anything_is_touched(
    directory: Path, monkeypatch: pytest.MonkeyPatch, system: str, machine: str
) -> None:
    monkeypatch.setattr("platform.system", lambda: system)
    monkeypatch.setattr("platform.machine", lambda: machine)

    with pytest.raises(InstallError) as error:
        install(directory)

    assert str(error.value) == (
        f"this is {system} {machine}; Pulumi {VERSION} is installed on Linux and macOS, on x86-64 and arm64. "
        f"Put a pulumi of at least {VERSION} for this platform on PATH, with its pulumi-language-python."
    )
    assert not directory.exists()
