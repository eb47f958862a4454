"""Judges mutants and prints the share that the quick tests catch, and each that survives: `make mutants`."""

import argparse
import math
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from tests.mutants import of_makefile, of_python, of_yaml, survivors
from tests.mutants.judge import Verdict
from tests.mutants.mutant import Mutant
from tests.mutants.workers import judged

ROOT = Path(__file__).resolve().parent.parent.parent
MUTATED = (
    "stacks/*.py",
    "infra/*.py",
    "infra/aws/*.py",
    "infra/kubernetes/*.py",
    "infra/policies/*.py",
    "infra/bootstrap/*.py",
    *(f"infra/local/{name}.py" for name in ("code", "edge", "platform", "service", "tables", "identity", "messaging")),
    *(f"infra/local/{name}.py" for name in ("databases", "processes")),
    "infra/account.yaml",
    "infra/environment.yaml",
    "Pulumi*.yaml",
    "Makefile",
    ".github/workflows/*.yml",
)
"""What decides which resources there are, how they are reached and how they get there. Of `infra/local`, what the
program itself does: what the engine then calls acts on processes, and is for `make test`."""
TOLERATED, TOLERATED_OF_FEW = 0.03, 0.25
"""Of the mutants that are judged so many may survive without a reason. More fail the run. The second is for a run of
limited time: it judges some tens, and by chance these are not like all."""
ENGINE_CALLS = "Provider."


def all_mutants(files: Sequence[str]) -> Iterator[Mutant]:
    for file in files:
        source = (ROOT / file).read_bytes()
        if file == "Makefile":
            yield from of_makefile.mutants(file, source)
        elif file.endswith(".py"):
            found = of_python.mutants(file, source)
            yield from (each for each in found if not (file.startswith("infra/local") and ENGINE_CALLS in each.place))
        else:
            yield from of_yaml.mutants(file, source)


def _is_one(mutant: Mutant) -> bool:
    source = (ROOT / mutant.file).read_bytes()
    if mutant.file.endswith(".py"):
        return of_python.compiles(mutant, source)
    return mutant.file == "Makefile" or of_yaml.is_yaml(mutant, source)


def mutated_files() -> list[str]:
    return sorted({str(path.relative_to(ROOT)) for pattern in MUTATED for path in ROOT.glob(pattern)})


def changed_since(commit: str) -> list[str]:
    """Files that differ from `commit`, whether or not the change is committed."""
    command = ["git", "diff", "--name-only", commit, "--"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("files", nargs="*", help="default: all whose mutants a quick test should catch")
    parser.add_argument("--since", help="only files that differ from this commit")
    parser.add_argument("--sample", type=int, help="so many, chosen at random")
    parser.add_argument("--seconds", type=float, help="no more are begun after this time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbose", action="store_true", help="says of each that is caught by what")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args(arguments)
    started = time.monotonic()
    files = [file for file in mutated_files() if not given.files or file in given.files]
    if given.since:
        changed = changed_since(given.since)
        files = [file for file in files if file in changed]
    mutants = list(all_mutants(files))
    random.Random(given.seed).shuffle(mutants)  # noqa: S311 (a run that stops early has seen some of everything)
    chosen = list(islice(filter(_is_one, mutants), given.sample))
    judgements = judged(ROOT, chosen, given.workers, given.seconds)
    tolerated = TOLERATED_OF_FEW if given.seconds else TOLERATED
    return _report(judgements, len(mutants), given.verbose, started, tolerated)


def _report(
    judgements: Iterator[tuple[Mutant, Verdict]], of: int, verbose: bool, started: float, tolerated: float
) -> int:
    known = survivors.read()
    caught, explained, unexplained = 0, 0, 0
    for mutant, verdict in judgements:
        if verdict.caught:
            caught += 1
            if verbose:
                print(f"caught by {verdict.by} in {verdict.seconds} s: {mutant}", flush=True)
        elif survivors.reason(mutant, known):
            explained += 1
        else:
            unexplained += 1
            print(f"survives: {mutant}\n          asked: {verdict.by}", flush=True)
    judged_ones = caught + explained + unexplained
    share = f" ({100 * caught / judged_ones:.1f} %)" if judged_ones else ""
    minutes = (time.monotonic() - started) / 60
    print(
        f"{caught} of {judged_ones} mutants are caught by quick tests{share}; {explained} survive for a reason that"
        f" tests/mutants/survivors.yaml gives, {unexplained} for none. There are {of}; it took {minutes:.1f} minutes."
    )
    return 1 if unexplained > math.ceil(judged_ones * tolerated) else 0


if __name__ == "__main__":
    sys.exit(main())
