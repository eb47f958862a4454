"""Services in Go on the laptop: built of their source, and left out where there is no Go."""

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from infra.capabilities.processes.local import code_of
from infra.local import binaries
from infra.local.binaries import BuildFailed, _BinaryProvider
from infra.local.provider import Properties
from infra.service.catalogue import ServiceSpec
from tests.local.test_providers import made

with_go = pytest.mark.skipif(binaries.go() is None, reason=binaries.MISSING)
MAIN = 'package main\n\nimport "fmt"\n\nfunc main() { fmt.Println("hello") }\n'


@pytest.fixture
def program(tmp_path: Path) -> Properties:
    source = tmp_path / "hello"
    (source / "cmd/hello").mkdir(parents=True)
    (source / "go.mod").write_text("module shop/hello\n\ngo 1.24\n")
    (source / "cmd/hello/main.go").write_text(MAIN)
    return {"name": "hello", "source": str(source), "path": str(tmp_path / "bin/hello-1"), "version": "1"}


@with_go
def test_a_binary_is_static_and_tells_nothing_of_this_machine(program: Properties, tmp_path: Path) -> None:
    path = made(_BinaryProvider(), program)["path"]

    assert subprocess.run([path], capture_output=True, text=True, check=True).stdout == "hello\n"
    assert os.fsencode(tmp_path) not in Path(path).read_bytes()
    assert b"ld-linux" not in Path(path).read_bytes()


@with_go
def test_code_that_does_not_compile_is_an_error_with_the_compilers_words(program: Properties) -> None:
    (Path(program["source"]) / "cmd/hello/main.go").write_text(MAIN.replace("Println", "Printn"))

    with pytest.raises(BuildFailed, match=r"`hello` cannot be built:\n(.*\n)*.*undefined: fmt.Printn"):
        _BinaryProvider().ensure(program, {})

    assert not _BinaryProvider().present(program)


@with_go
def test_a_binary_is_gone_when_its_file_is_and_removing_it_twice_is_no_error(program: Properties) -> None:
    built = made(_BinaryProvider(), program)
    assert _BinaryProvider().present(built)

    _BinaryProvider().delete("hello", built)
    _BinaryProvider().delete("hello", built)

    assert not _BinaryProvider().present(built)


def test_without_go_a_binary_that_was_built_of_the_same_source_will_do(
    monkeypatch: pytest.MonkeyPatch, program: Properties, tmp_path: Path
) -> None:
    monkeypatch.setattr(binaries, "go", lambda: None)
    monkeypatch.setattr(binaries, "Binary", lambda *_: "built")
    spec = ServiceSpec(name="hello", summary="says hello", language="go")
    (tmp_path / "chassis/go").mkdir(parents=True)

    platform = SimpleNamespace(binaries=tmp_path / "bin")
    on = SimpleNamespace(source=tmp_path, platform=platform)

    before = code_of(spec, on, None)  # type: ignore[arg-type]
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / f"hello-{before.version}").touch()
    after = code_of(spec, on, None)  # type: ignore[arg-type]

    assert (before.missing, before.command) == (binaries.MISSING, [])
    assert (after.missing, after.command) == (None, [str(tmp_path / "bin" / f"hello-{before.version}")])


def test_without_go_what_has_to_be_built_is_an_error_that_says_so(
    monkeypatch: pytest.MonkeyPatch, program: Properties
) -> None:
    monkeypatch.setattr(binaries, "go", lambda: None)

    with pytest.raises(BuildFailed, match="`hello` cannot be built: Go is not on PATH"):
        _BinaryProvider().ensure(program, {})
