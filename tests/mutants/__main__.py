"""Judges mutants and prints the share that the quick tests catch, and each that survives: `make mutants`."""

import argparse
import math
import random
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cache, partial
from itertools import islice
from pathlib import Path

from tests.mutants.kinds import all_mutants, is_another
from tests.mutants.report import Report
from tests.mutants.workers import judged

ROOT = Path(__file__).resolve().parent.parent.parent
AREAS = {
    "stacks": ("stacks/**/*.py",),
    "infra/aws": ("infra/aws/**/*.py", "infra/**/aws.py"),
    "infra/kubernetes": ("infra/kubernetes/**/*.py",),
    "infra/local": ("infra/local/**/*.py", "infra/**/local.py"),
    "infra/bootstrap": ("infra/bootstrap/**/*.py",),
    "infra/policies": ("infra/policies/**/*.py",),
    "declarations": ("infra/**/*.py",),
    "templates of roles": ("infra/*.yaml",),
    "settings": ("Pulumi*.yaml",),
    "Makefile and workflows": ("Makefile", ".github/workflows/*.yml"),
}
"""What decides which resources there are, how they are reached and how they get there. A file is of the first area that
has it."""
TOLERATED = 0.03
"""Share of the mutants that may survive without a reason. More fail a run over all; of a run that judges some of them,
so many that it is unlikely (one in a hundred) that chance alone has chosen them."""
TOLERATED_IN_A_HURRY = 0.12
"""The same for a run that ends by the clock, as CI's: what samples show today (docs/mutants.md), so that it speaks up
when a change makes it worse, and not on days of bad luck."""


@cache
def mutated_files() -> Mapping[str, str]:
    """File -> its area."""
    found: dict[str, str] = {}
    for area, patterns in AREAS.items():
        for pattern in patterns:
            found |= {
                str(path.relative_to(ROOT)): area
                for path in ROOT.glob(pattern)
                if str(path.relative_to(ROOT)) not in found
            }
    return dict(sorted(found.items()))


def changed_since(commit: str) -> list[str]:
    """Files that differ from `commit`, whether or not the change is committed."""
    command = ["git", "diff", "--name-only", commit, "--"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("files", nargs="*", help="or areas; default: all")
    parser.add_argument("--since", help="only files that differ from this commit")
    parser.add_argument("--sample", type=int, help="so many, chosen at random")
    parser.add_argument("--patience", type=float, default=60, help="CPU seconds of tests for a mutant, the best first")
    parser.add_argument("--seconds", type=float, default=math.inf, help="no more are begun after this time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbose", action="store_true", help="says of each that is caught by what")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args(arguments)
    started = time.monotonic()
    files = [file for file, area in mutated_files().items() if not given.files or {file, area} & set(given.files)]
    if given.since:
        changed = changed_since(given.since)
        files = [file for file in files if file in changed]
    mutants = list(all_mutants(ROOT, files))
    random.Random(given.seed).shuffle(mutants)  # noqa: S311 (a run that stops early has seen some of everything)
    chosen = list(islice(filter(partial(is_another, ROOT), mutants), given.sample)) if given.sample else mutants
    report = Report(verbose=given.verbose)
    for mutant, verdict in judged(ROOT, chosen, given.workers, given.seconds, given.patience):
        report.add(mutant, mutated_files()[mutant.file], verdict)
    print(report.text())
    minutes = (time.monotonic() - started) / 60
    print(f"Of {len(mutants)} mutants in {len(files)} files, with seed {given.seed}; it took {minutes:.1f} minutes.")
    tolerated = TOLERATED if given.seconds == math.inf else TOLERATED_IN_A_HURRY
    return 1 if report.too_many(tolerated, of_all=len(mutants)) else 0


if __name__ == "__main__":
    sys.exit(main())
