"""One declaration as it was read, for checks that look at wrong ones, too."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any


@dataclass(frozen=True)
class Draft:
    """Any field may be missing, or hold what it should not.

    Checks look at what can be read, whatever else is wrong with the file: no mistake hides another one, and none is
    reported again by everybody who refers to it.
    """

    file: str
    """services/<folder>/service.yaml"""
    document: Mapping[str, Any] | None
    """None: the file could not be read."""

    @property
    def folder(self) -> str:
        return self.file.split("/")[-2]

    @cached_property
    def names(self) -> set[str]:
        """What others may call it: a wrong name is one problem, and not another one for whoever uses the right one."""
        return {self.folder, *(text for _, text in self.texts("name"))}

    @property
    def name(self) -> str:
        return next((text for _, text in self.texts("name")), self.folder)

    def field(self, name: str) -> Any:
        return (self.document or {}).get(name)

    def texts(self, field: str) -> list[tuple[str, str]]:
        """Each text in this field, and where it stands."""
        return texts(field, self.field(field))


def texts(place: str, value: Any) -> list[tuple[str, str]]:
    """Each text in the value that stands at this place: of a list its entries, of a mapping its keys."""
    if isinstance(value, str):
        return [(place, value)]
    if isinstance(value, dict):
        return [(f"{place}.{key}", key) for key in value]
    entries = enumerate(value if isinstance(value, list) else ())
    return [(f"{place}[{position}]", each) for position, each in entries if isinstance(each, str)]
