"""Whether a service's folder holds the code that its declaration promises, looked at before anything is touched."""

from collections.abc import Iterator
from pathlib import Path

from infra import build_context
from infra.declaration.declaration import Purpose
from infra.declaration.draft import Draft
from infra.declaration.problems import Problem


def missing(services: Path, draft: Draft, purpose: Purpose) -> Iterator[Problem]:
    """What is not there of the code of one service, and for `build` of what its image is made of."""
    folder, language = services / draft.folder, draft.field("language")
    for needed in _files(draft.folder, str(language)):
        if not any(folder.glob(needed)):
            remedy = f"says `{language}`, and {services.name}/{draft.folder}/{needed} is not there: add it"
            yield Problem(draft.file, "language", None, f"{remedy}; make new-service writes one that works")
    if purpose == "build":
        yield from _image(services, draft)


def _files(name: str, language: str) -> list[str]:
    """What has to be there to run the code: python -m <package>, or the package main that go builds."""
    return {
        "python": [f"{name.replace('-', '_')}/__main__.py", "pyproject.toml"],
        "go": [f"cmd/{name}/*.go", "go.mod"],
    }.get(language, [])


def _image(services: Path, draft: Draft) -> Iterator[Problem]:
    dockerfile = services / draft.folder / "Dockerfile"
    if not dockerfile.is_file():
        yield Problem(draft.file, "", None, f"{services.name}/{draft.folder}/Dockerfile is not there: add it")
    try:
        build_context.files(services.parent, dockerfile)
    except FileNotFoundError:
        ignored = f"{services.name}/{draft.folder}/Dockerfile.dockerignore"
        yield Problem(draft.file, "", None, f"{ignored} is not there: name in it what the image is made of")
    except ValueError as error:
        yield Problem(
            draft.file, "", None, str(error).replace(f"{services.parent}/", "").replace(f" in {services.parent}", "")
        )
