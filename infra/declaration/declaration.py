"""What a declaration is made of: what every service says of itself, and what each capability adds."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

from infra.declaration.draft import Draft
from infra.declaration.problems import Problem

DNS_LABEL = r"^[a-z](-?[a-z0-9])*$"
LONGEST_NAME = 24  # with eight characters of Pulumi's it is the name of a target group, which may have 32

ServiceName = Annotated[str, StringConstraints(pattern=DNS_LABEL, max_length=LONGEST_NAME)]
Purpose = Literal["run", "build"]
"""What the code of a service is needed for: to run it here, or to build its image."""


class Model(BaseModel):
    """A mapping in a service.yaml: no unknown key, no value of another kind."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Declaration(Model):
    """The fields of one capability, with what is to be said and checked about them.

    The declaration of a service is a class that inherits from those of all capabilities (infra/service/catalogue.py).
    """

    name: ServiceName
    summary: Annotated[str, StringConstraints(min_length=1, max_length=200)]

    EXAMPLES: ClassVar[Mapping[str, str]] = {"name": "orders", "summary": "takes orders"}
    """Field -> how it, or an entry of its list, is written."""
    REMEDIES: ClassVar[Mapping[str, str]] = {
        "name": "is no DNS label: lower-case letters, digits and single hyphens, starting with a letter"
    }
    """Field -> what its pattern means."""

    @property
    def module(self) -> str:
        """The name as Python and databases write it."""
        return self.name.replace("-", "_")

    @classmethod
    def check(cls, drafts: Sequence[Draft]) -> Iterable[Problem]:
        """What does not fit together, within a declaration and among all of them."""
        return ()

    @classmethod
    def name_taken(cls, name: str, draft: Draft) -> str | None:
        """By what the name of a service that declares this is taken, and what to do."""
        return None

    @classmethod
    def missing_code(cls, services: Path, draft: Draft, purpose: Purpose) -> Iterable[Problem]:
        """What is not there, in the folder of all services, of the code that the declaration promises."""
        return ()


def parts(model: type[Declaration]) -> Iterator[type[Declaration]]:
    """The declarations of capabilities that a declaration inherits from, in the order of its fields."""
    return (each for each in reversed(model.__mro__) if issubclass(each, Declaration) and each is not model)


def examples(model: type[Declaration]) -> dict[str, str]:
    """Of all fields."""
    return {field: example for part in parts(model) for field, example in part.EXAMPLES.items()}


def remedies(model: type[Declaration]) -> dict[str, str]:
    """Of all fields."""
    return {field: remedy for part in parts(model) for field, remedy in part.REMEDIES.items()}


def repeated(drafts: Iterable[Draft], *fields: str) -> Iterator[Problem]:
    """What stands twice in one of these lists."""
    for draft in drafts:
        for field in fields:
            yield from repeated_texts(draft.file, draft.texts(field))


def repeated_texts(file: str, entries: Sequence[tuple[str, str]]) -> Iterator[Problem]:
    """What stands twice among these entries, each with its place."""
    texts = [text for _, text in entries]
    for position, (place, text) in enumerate(entries):
        if text in texts[:position]:
            yield Problem(file, place, text, "stands twice: once is enough")
