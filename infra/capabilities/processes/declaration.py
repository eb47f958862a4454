"""`language`, `scale`, `resources`: the code of a service, how many processes run it, and what each may take."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from infra.capabilities.processes import source_code
from infra.declaration.declaration import Declaration, Model, Purpose
from infra.declaration.draft import Draft
from infra.declaration.problems import Problem


class Scale(Model):
    min: Annotated[int, Field(ge=1, le=100)] = 2
    max: Annotated[int, Field(ge=1, le=100)] = 4
    cpu_percent: Annotated[int, Field(ge=10, le=95)] = 70

    def bounded(self, idle: int | None, most: int | None) -> "Scale":
        """The same, but with no more than `idle` processes where there is nothing to do, and never more than `most`."""
        highest = self.max if most is None else min(self.max, most)
        lowest = min(self.min, highest if idle is None else idle, highest)
        return self.model_copy(update={"min": lowest, "max": highest})


class Resources(Model):
    """What one process of the service may count on. More memory than that ends it."""

    cpu_millis: Annotated[int, Field(ge=10, le=16_000)] = 100
    """Thousandths of a core."""
    memory_mib: Annotated[int, Field(ge=32, le=65_536)] = 256


class ProcessesDeclaration(Declaration):
    language: Literal["python", "go"]
    scale: Scale = Scale()
    resources: Resources = Resources()

    EXAMPLES: ClassVar[Mapping[str, str]] = {
        "language": "python",
        "scale": "{min: 2, max: 4, cpu_percent: 70}",
        "scale.min": "2",
        "resources": "{cpu_millis: 100, memory_mib: 256}",
        "resources.cpu_millis": "100",
        "resources.memory_mib": "256",
    }

    @classmethod
    def check(cls, drafts: Sequence[Draft]) -> Iterator[Problem]:
        for draft in drafts:
            scale = draft.field("scale")
            least, most = (scale.get("min", 2), scale.get("max", 4)) if isinstance(scale, dict) else (1, 1)
            if type(least) is type(most) is int and least > most:
                yield Problem(draft.file, "scale", None, f"has min {least} above max {most}; min is at most max")

    @classmethod
    def name_taken(cls, name: str, draft: Draft) -> str | None:
        module = name.replace("-", "_")
        if draft.field("language") == "python" and module in sys.stdlib_module_names:
            return f"is taken by the module `{module}` of Python, which its package would hide: choose another"
        return None

    @classmethod
    def missing_code(cls, services: Path, draft: Draft, purpose: Purpose) -> Iterator[Problem]:
        return source_code.missing(services, draft, purpose)
