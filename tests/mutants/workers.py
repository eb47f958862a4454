"""Copies of the checkout, in which mutants are judged: the checkout itself is never changed."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from tests.mutants.concern import ours
from tests.mutants.judge import Verdict
from tests.mutants.mutant import Mutant
from tests.mutants.recording import state
from tests.mutants.worker import PATIENCE, SECONDS

LINKED = (".venv", ".shop")
"""What a copy shares with the checkout: nothing in them is changed."""
KEPT = Path(".shop") / "mutants"
"""What quick tests run, by the state of the checkout; only of the last one."""


def judged(
    root: Path, mutants: Sequence[Mutant], workers: int, seconds: float, patience: float
) -> Iterator[tuple[Mutant, Verdict]]:
    """In the order in which they are done. After so many seconds no more are begun.

    Raises:
        subprocess.CalledProcessError: when the process that judges fails.
    """
    command = [sys.executable, "-m", "tests.mutants.worker"]
    environment = {**os.environ, SECONDS: str(seconds), PATIENCE: str(patience)}
    with ExitStack() as end:
        folder = Path(end.enter_context(tempfile.TemporaryDirectory(prefix="shop-mutants-")))
        kept = _kept(root)
        copies = [folder / str(number) for number in range(workers)]
        _copy(root, copies[0])
        for copy in copies[1:]:
            shutil.copytree(copies[0], copy, symlinks=True)
        with subprocess.Popen(
            [*command, str(kept), *map(str, copies)],
            cwd=copies[0],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdin
            assert process.stdout
            process.stdin.writelines(f"{json.dumps(asdict(mutant))}\n" for mutant in mutants)
            process.stdin.close()
            for line in process.stdout:
                said = json.loads(line)
                yield Mutant(**said["mutant"]), Verdict(**said["verdict"])
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)


def _files(root: Path) -> list[str]:
    """Every file that git would keep, as it is now."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=root, check=True, capture_output=True, text=True).stdout.split("\0")
    return sorted(name for name in names if name and (root / name).is_file())


def _kept(root: Path) -> Path:
    folder = root / KEPT / state(root, _files(root))
    for old in (root / KEPT).glob("*"):
        if old != folder:
            shutil.rmtree(old)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _copy(root: Path, copy: Path) -> None:
    for name in _files(root):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, copy / name)
    for name in LINKED:
        if (root / name).exists():
            (copy / name).symlink_to(root / name)
    subprocess.run([sys.executable, "-m", "compileall", "-q", *ours(copy)], cwd=copy, check=True)
