"""The process that judges: mutants come in, one a line, and verdicts go out. Its arguments: the folder that keeps what
tests run, and copies of the checkout, with a process for each; the current folder is the first of them."""

import json
import math
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import tests
from tests.mutants.judge import Judge
from tests.mutants.kinds import is_another
from tests.mutants.mutant import Mutant

SECONDS = "MUTANTS_SECONDS"
"""Environment: no mutant is begun when so many seconds have passed since the start."""
PATIENCE = "MUTANTS_PATIENCE"
"""Environment: tests that take more CPU time together are not asked about one mutant."""


def main(kept: str, *copies: str) -> None:
    started = time.monotonic()
    seconds = float(os.environ.get(SECONDS, math.inf))
    mutants = [Mutant(**json.loads(line)) for line in sys.stdin]
    judge = Judge(Path(kept), math.isfinite(seconds), float(os.environ.get(PATIENCE, math.inf)))
    children = []
    for number, copy in enumerate(copies):
        child = os.fork()
        if child == 0:
            _move(copy)
            _judge(judge, mutants[number :: len(copies)], started + seconds)
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)


def _move(copy: str) -> None:
    """Nothing of ours is imported yet but this: from here on it comes from the copy."""
    os.chdir(copy)
    sys.path.insert(0, copy)
    tests.__path__[:] = [str(Path(copy) / "tests")]


def _judge(judge: Judge, mutants: Sequence[Mutant], deadline: float) -> None:
    for mutant in mutants:
        if time.monotonic() > deadline:
            return
        if not is_another(Path.cwd(), mutant):
            continue
        said = {"mutant": asdict(mutant), "verdict": asdict(judge.of(mutant))}
        os.write(1, f"{json.dumps(said)}\n".encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
