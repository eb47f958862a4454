"""The catalogue: every `services/<name>/service.yaml`, typed and checked against each other.

`load` either returns a catalogue in which every reference resolves, or raises one `CatalogueError` that lists
everything wrong at once. The models say what a field may hold; what has to fit together is checked by `load` alone,
which looks at wrong files, too.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import ValidationError

from infra.command_line import CommandError
from infra.declaration import names, reader
from infra.declaration.declaration import Declaration, Purpose, examples, parts, remedies
from infra.declaration.draft import Draft
from infra.declaration.problems import Problem, as_meant, problems_of

S = TypeVar("S", bound=Declaration)
MISNAMED = ("service.yml", "services.yaml", "services.yml", "service.json", "service.yaml.txt")


class CatalogueError(CommandError):
    """Everything that is wrong with the declarations."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(problems, key=lambda problem: problem.file)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__("\n".join([f"The catalogue has {count}; nothing was touched.", *map(str, self.problems)]))


@dataclass(frozen=True)
class Catalogue(Generic[S]):
    """All services, by name, in the order of their names."""

    services: Mapping[str, S]

    def __iter__(self) -> Iterator[S]:
        return iter(self.services.values())


def load(services: Path, model: type[S], code: Purpose | None = None) -> Catalogue[S]:
    """The catalogue of the folder `services`.

    Args:
        model: what a service can declare.
        code: also check that each folder holds what it takes to `run` its code here, or to `build` its image.

    Raises:
        CatalogueError: with every problem of every file.
    """
    problems = list(_misnamed(services))
    files = sorted(services.glob("*/service.yaml"))
    if not files and not problems:
        remedy = f"make {services}/<name>/service.yaml"
        raise CatalogueError([Problem(str(services), "service.yaml", None, f"no service is declared here: {remedy}")])
    valid: list[S] = []
    drafts: list[Draft] = []
    for file in files:
        shown = f"{services.name}/{file.parent.name}/{file.name}"
        try:
            document = reader.read(file)
            drafts.append(Draft(shown, as_meant(document, model)))
            valid.append(model.model_validate(document))
        except reader.Unreadable as error:
            drafts.append(Draft(shown, None))
            problems.append(Problem(shown, "", None, str(error)))
        except ValidationError as error:
            problems += problems_of(error, shown, model, remedies(model), examples(model))
    reported = {(problem.file, problem.field) for problem in problems if problem.field}
    problems += [each for each in _check(drafts, model) if (each.file, each.field) not in reported]
    if code:
        for draft in drafts:
            problems += [each for part in parts(model) for each in part.missing_code(services, draft, code)]
    if problems:
        raise CatalogueError(problems)
    return Catalogue({spec.name: spec for spec in sorted(valid, key=lambda spec: spec.name)})


def name_taken(name: str, others: Iterable[str], draft: Draft, model: type[Declaration]) -> str | None:
    """By what the name of this service is taken, and what to do; None when it can have it."""
    found = (names.taken(name, others), *(part.name_taken(name, draft) for part in parts(model)))
    return next(filter(None, found), None)


def schema(model: type[Declaration]) -> str:
    """The JSON Schema of a service.yaml, for editors."""
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema"} | model.model_json_schema()
    return json.dumps(document | {"title": "service.yaml"}, indent=2) + "\n"


def _misnamed(services: Path) -> Iterator[Problem]:
    for file in sorted(services.glob("*/*")):
        if file.name.lower() in (*MISNAMED, "service.yaml") and file.name != "service.yaml":
            shown = f"{services.name}/{file.parent.name}/{file.name}"
            yield Problem(shown, "", None, "has to be named `service.yaml`: rename it")


def _check(drafts: Sequence[Draft], model: type[Declaration]) -> list[Problem]:
    """All that does not fit together."""
    return [*_names(drafts, model), *(problem for part in parts(model) for problem in part.check(drafts))]


def _names(drafts: Sequence[Draft], model: type[Declaration]) -> Iterator[Problem]:
    folders = {draft.folder for draft in drafts}
    for draft in drafts:
        for place, name in draft.texts("name"):
            if remedy := name_taken(name, folders, draft, model):
                yield Problem(draft.file, place, name, remedy)
            elif name != draft.folder:
                yield Problem(draft.file, place, name, f"has to be the name of its folder: `{draft.folder}`")
