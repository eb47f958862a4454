"""The parts of the integration tests: what each shows, what it needs, and what it runs beside."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.integration.harness.machine.paths import ROOT

HERE = "tests/integration"


class UnknownPartError(ValueError):
    """The text lists the parts that there are."""


@dataclass(frozen=True, kw_only=True)
class Part:
    shows: str
    files: tuple[str, ...]
    """From the root, in the order in which they run."""
    needs: tuple[str, ...] = ()
    """Parts that run before it, also when it is asked for alone: it begins where they end."""
    group: str
    """Parts of one group run one after another, in one process; groups run beside each other."""


def _of_the_story(name: str, shows: str, *needs: str) -> Part:
    return Part(shows=shows, files=(f"{HERE}/story/test_{name}.py",), needs=needs, group="story")


PARTS: Mapping[str, Part] = {
    "up": _of_the_story("up", "an empty account becomes the whole shop, and what is there is what was asked for"),
    "people": _of_the_story("people", "the journeys of tests/e2e, traces, the memory of each pod", "up"),
    "new-version": _of_the_story("new_version", "a new image of one service, under load", "up"),
    "faults": _of_the_story(
        "faults", "killed pods, restarted databases, drained queues, a version that does not start", "up"
    ),
    "another-service": _of_the_story("another_service", "a service joins the others, and leaves them", "up"),
    "destroy": _of_the_story("destroy", "nothing is left; the calls of the provider, of all parts that ran", "up"),
    "images": Part(
        shows="what is in the images of the Dockerfiles, and how they start",
        files=(f"{HERE}/images/test_building.py", f"{HERE}/images/test_content.py"),
        group="images",
    ),
    "promotion": Part(
        shows="staging and production look up the images that dev built",
        files=(f"{HERE}/promotion/test_promotion.py",),
        group="promotion",
    ),
    "node": Part(
        shows="the node on which pods run is a real one, and leaves nothing behind",
        files=(f"{HERE}/node/test_node.py", f"{HERE}/node/test_end.py"),
        group="node",
    ),
    "data-plane": Part(
        shows="what the emulated AWS does for pods: identities, the gateway, databases",
        files=tuple(f"{HERE}/data_plane/test_{name}.py" for name in ("identities", "gateway", "databases", "end")),
        group="data-plane",
    ),
    "policies": Part(
        shows="the policy pack in the real engine", files=("tests/policies/test_pack.py",), group="policies"
    ),
}
"""By name. They run in this order; the story first, as it waits most."""


def with_needs(names: Iterable[str]) -> list[str]:
    """The parts of these names and those that they need, in the order in which they run; all for no name.

    Raises: UnknownPartError.
    """
    wanted = set(names) or set(PARTS)
    if unknown := sorted(wanted - set(PARTS)):
        raise UnknownPartError(f"there is no part {', '.join(unknown)}; there are:\n{table()}")
    needed = {need for name in wanted for need in PARTS[name].needs}
    return [name for name in PARTS if name in wanted | needed]


def table() -> str:
    """A line for each part."""
    return "\n".join(
        f"  {name:<16} {part.shows}" + (f" (runs {', '.join(part.needs)} first)" if part.needs else "")
        for name, part in PARTS.items()
    )


def part_of(file: Path) -> Part | None:
    """The one with this file."""
    path = file.relative_to(ROOT).as_posix()
    return next((part for part in PARTS.values() if path in part.files), None)


def place(file: Path) -> int:
    """Where it comes in the order of all files; those of no part come first."""
    files = [each for part in PARTS.values() for each in part.files]
    path = file.relative_to(ROOT).as_posix()
    return files.index(path) + 1 if path in files else 0
