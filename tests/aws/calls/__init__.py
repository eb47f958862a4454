"""The calls to AWS that an environment takes: those that were seen, and those that cannot be seen on an emulator."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent
RECORDED = FOLDER / "recorded.yaml"
BY_HAND = FOLDER / "by_hand.yaml"
HEAD = """\
# Every call of the AWS provider in the story of tests/integration: as which action IAM judges it, by
# which commands of the engine it was made, on what (* for names and numbers; "*" alone: the request names nothing),
# whether it hands over a role, and whether it tags. Written by `SHOP_RECORD=1 make integration`; without SHOP_RECORD,
# that fails on a call that is not here. What roles may do is held against it by tests/aws/test_calls.py.
"""


@dataclass(frozen=True, kw_only=True)
class Call:
    by: tuple[str, ...] = ()
    """Commands of the engine: up, preview, preview-refresh, destroy."""
    resources: tuple[str, ...] = ()
    passes_role: bool = False
    tags: bool = False

    def is_within(self, other: "Call") -> bool:
        return (
            {*self.by} <= {*other.by}
            and {*self.resources} <= {*other.resources}
            and self.passes_role <= other.passes_role
            and self.tags <= other.tags
        )


@dataclass(frozen=True, kw_only=True)
class Recorded:
    types: frozenset[str]
    """Of the resources that the story brings up: `aws:sqs/queue:Queue`."""
    calls: Mapping[str, Call]
    """By action."""


@cache
def recorded() -> Recorded:
    document = yaml.safe_load(RECORDED.read_text())
    calls = {
        action: Call(
            by=tuple(fields["by"]),
            resources=tuple(fields["resources"]),
            passes_role=fields.get("passes_role", False),
            tags=fields.get("tags", False),
        )
        for action, fields in document["calls"].items()
    }
    return Recorded(types=frozenset(document["types"]), calls=calls)


def write(found: Recorded) -> None:
    """One line for each call."""
    lines = [HEAD + "types:", *(f"  - {each}" for each in sorted(found.types)), "calls:"]
    for action, call in sorted(found.calls.items()):
        fields = {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(call).items() if value
        }
        lines.append(f"  {action}: {_flow(fields)}")
    RECORDED.write_text("\n".join(lines) + "\n")
    recorded.cache_clear()


def _flow(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False).strip()
