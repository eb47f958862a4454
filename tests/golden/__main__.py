"""Writes the golden plans anew, and says what changed."""

import sys
from collections import Counter
from difflib import unified_diff

from tests.golden.plans import file, names, planned
from tests.golden.text import ROOT


def main() -> int:
    for name in names():
        path = file(name)
        before, after = path.read_text(encoding="utf-8") if path.exists() else "", planned(name)
        if before == after:
            continue
        path.write_text(after, encoding="utf-8")
        signs = Counter(line[:1] for line in [*unified_diff(before.splitlines(), after.splitlines(), n=0)][2:])
        shown = path.relative_to(ROOT)
        print(f"{shown}: {signs['+']} lines are new, {signs['-']} are gone: git diff {shown}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
