"""What a run says: the share that is caught, by areas, and how near that is to the truth."""

import math
from collections import Counter
from dataclasses import dataclass, field

from tests.mutants import survivors
from tests.mutants.judge import Verdict
from tests.mutants.mutant import Mutant

OF_95_PERCENT = 1.96
"""Standard deviations to both sides, between which 95 % of all samples lie."""
UNLIKELY = 0.01
CAUGHT, EXPLAINED, UNEXPLAINED = "caught", "explained", "unexplained"


@dataclass
class Report:
    verbose: bool = False
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    """Area -> how many of its mutants had which end."""
    cpu_seconds: float = 0.0
    known: list[survivors.Survivor] = field(default_factory=lambda: list(survivors.read()))

    def add(self, mutant: Mutant, area: str, verdict: Verdict) -> None:
        self.cpu_seconds += verdict.cpu_seconds
        explained = not verdict.caught and survivors.reason(mutant, self.known)
        end = CAUGHT if verdict.caught else EXPLAINED if explained else UNEXPLAINED
        self.counts.setdefault(area, Counter())[end] += 1
        if end == UNEXPLAINED:
            print(f"survives: {mutant}\n          asked in {verdict.cpu_seconds} s: {verdict.by}", flush=True)
        elif self.verbose:
            print(f"{end} by {verdict.by} in {verdict.cpu_seconds} s: {mutant}", flush=True)

    def text(self) -> str:
        if not self.counts:
            return "No mutants were judged."
        everything = self._everything()
        lines = [_line(area, ends) for area, ends in sorted(self.counts.items())]
        each = self.cpu_seconds / everything.total()
        return "\n".join([*lines, _line("all", everything), f"Each took {each:.1f} s of a core."])

    def too_many(self, tolerated: float, of_all: int) -> bool:
        """Whether more than this share survives without a reason; if not all were judged, more than by chance."""
        found, of = self._everything()[UNEXPLAINED], self._everything().total()
        return found > of * tolerated if of == of_all else at_least(found, of, tolerated) < UNLIKELY

    def _everything(self) -> Counter[str]:
        return sum(self.counts.values(), Counter[str]())


def _line(area: str, ends: Counter[str]) -> str:
    """What is explained is left out of the share: it is no other program to whoever uses it."""
    of = ends[CAUGHT] + ends[UNEXPLAINED]
    low, high = interval(ends[CAUGHT], of)
    share = f"{100 * ends[CAUGHT] / of:.1f} % (95 %: {100 * low:.1f} to {100 * high:.1f})" if of else "-"
    return f"{area}: {ends[CAUGHT]} of {of} caught by quick tests, {share}; {ends[EXPLAINED]} survive for a reason"


def interval(found: int, of: int) -> tuple[float, float]:
    """Wilson's, between which the share of all lies with 95 %."""
    if not of:
        return 0.0, 1.0
    share, z = found / of, OF_95_PERCENT
    centre = share + z * z / (2 * of)
    half = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    scale = 1 + z * z / of
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def at_least(found: int, of: int, share: float) -> float:
    """How likely so many are among so many, when each is one with this probability."""
    return 1 - sum(math.comb(of, each) * share**each * (1 - share) ** (of - each) for each in range(found))
