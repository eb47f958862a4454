"""How a command ends, whatever happens to it."""

import ast
import errno
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from infra.command_line import CommandError, failed

ROOT = Path(__file__).parent.parent
MAKEFILE = (ROOT / "Makefile").read_text()
OF_PYTHON = r"\$\(PYTHON\) (?:-B )?-m ((?:infra|plans|shop|tests\.bench|tools)[.\w]+)"
COMMANDS = sorted({*re.findall(OF_PYTHON, MAKEFILE), "shop.__main__"})


def ended(main: str, shell: str = "", **environment: str | None) -> "subprocess.CompletedProcess[bytes]":
    """A command whose `main` is this expression, with what a shell adds to its call."""
    program = f"import os, sys; from infra.command_line import run; run('it', lambda: {main})"
    given: Mapping[str, str | None] = os.environ | environment
    return subprocess.run(
        ["bash", "-c", f'"$0" -c "$1" {shell}', sys.executable, program],
        env={name: value for name, value in given.items() if value is not None},
        cwd=ROOT,
        capture_output=True,
        timeout=50,
    )


def test_every_command_of_the_makefile_ends_in_the_one_place_that_knows_how() -> None:
    for command in COMMANDS:
        module = ast.parse((ROOT / f"{command.replace('.', '/')}.py").read_text())
        last = module.body[-1]
        assert isinstance(last, ast.If), command
        assert re.match(r"run\('[a-z -]+', ", "\n".join(map(ast.unparse, last.body))), command
    assert len(COMMANDS) > 10
    assert re.findall(r"\$\(PYTHON\)\s+(?!-B |-m |-c )\S+", MAKEFILE) == []


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (KeyboardInterrupt(), 130, ""),
        (BrokenPipeError(), 141, ""),
        (CommandError("two\nlines"), 1, "it: two\nlines\n"),
        (PermissionError(errno.EACCES, "Permission denied", "/there"), 1, "it: /there: Permission denied\n"),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "it: No space left on device\n"),
        (TimeoutError("too late"), 1, "it: too late\n"),
        (
            subprocess.CalledProcessError(3, ["a", "b"], stderr=b"no\n\xff\n"),
            1,
            "it: `a b` ended with status 3. no \N{REPLACEMENT CHARACTER}\n",
        ),
        (
            UnicodeEncodeError("ascii", "\xfc", 0, 1, "no"),
            1,
            "it: what was given cannot be read as text: 'ascii' codec can't encode character '\\xfc' in position 0: no"
            "\n",
        ),
        (
            ValueError("\x1b[2J\na\u202eb"),
            70,
            "it: a fault of this command: ValueError: [2J a b (SHOP_TRACEBACK=1 shows where)\n",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_an_error_is_one_line_and_a_status(
    error: BaseException, status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failed("it", error) == status
    assert capsys.readouterr().err == said


def test_a_fault_shows_where_it_is_to_who_asks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_TRACEBACK", "1")

    with pytest.raises(ValueError, match="wrong") as raised:
        raise ValueError("wrong")

    failed("it", raised.value)

    assert capsys.readouterr().err.startswith("Traceback (most recent call last):\n")


@pytest.mark.parametrize(
    ("main", "shell", "status", "said"),
    [
        pytest.param("7", "", 7, b"", id="a status"),
        pytest.param("sys.exit('no')", "", 1, b"it: no\n", id="a reason"),
        pytest.param("print('x')", "> /dev/full", 1, b"it: No space left on device\n", id="a full disk"),
        pytest.param("print('x')", ">&-", 1, b"it: Bad file descriptor\n", id="a closed output"),
        pytest.param("sys.exit(os.open(os.devnull, os.O_RDONLY) < 3)", "<&-", 0, b"", id="a closed input"),
        pytest.param("print('x')", "<&- >&- 2>&-", 1, b"", id="everything closed"),
        pytest.param("print('x' * 100_000)", "| true; exit ${PIPESTATUS[0]}", 141, b"", id="nobody reads"),
        pytest.param("os.kill(os.getpid(), 2)", "; exit $?", 130, b"", id="Ctrl-C"),
        pytest.param("print(sys.argv)", r"$'caf\xe9'", 2, b"it: the argument b'caf\\xe9' is not UTF-8\n", id="Latin-1"),
    ],
)
def test_a_process_ends_as_unix_has_it(main: str, shell: str, status: int, said: bytes) -> None:
    done = ended(main, shell)

    assert (done.returncode, done.stderr) == (status, said)


def test_ctrl_c_ends_it_by_the_signal_so_that_a_loop_ends_with_it() -> None:
    program = "from infra.command_line import run; import os; run('it', lambda: os.kill(os.getpid(), 2))"

    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=50).returncode == -2


def test_text_goes_in_and_out_in_a_locale_without_utf_8() -> None:
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": None}

    done = ended(r"print(ascii(sys.argv[1]), sys.argv[1])", "caf\N{LATIN SMALL LETTER E WITH ACUTE}", **plain)

    assert (done.returncode, done.stdout, done.stderr) == (0, rb"'caf\xe9' caf\xe9" + b"\n", b"")


@pytest.mark.parametrize("command", ["shop", "shop.seed"])
def test_ctrl_c_while_a_command_is_loaded_ends_it_in_silence(command: str, tmp_path: Path) -> None:
    for library in ("typer", "httpx"):
        (tmp_path / f"{library}.py").write_text("import os; os.kill(os.getpid(), 2)")

    done = subprocess.run(
        [sys.executable, "-m", command],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        timeout=50,
    )

    assert (done.returncode, done.stdout, done.stderr) == (-2, b"", b"")
