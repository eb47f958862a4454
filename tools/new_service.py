"""A new service that works: `make new-service NAME=loyalty LANGUAGE=python`.

Its folder is all that is written, and the entry in uv.lock that follows from it. What makes it part of every
environment is its declaration.
"""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from string import Template

from pydantic import ValidationError

from infra.command_line import CommandError, run
from infra.declaration.declaration import LONGEST_NAME
from infra.service import catalogue
from infra.service.catalogue import CatalogueError, ServiceSpec, name_taken

ROOT = Path(__file__).parent.parent
TEMPLATES = Path(__file__).parent / "templates"
LANGUAGES = tuple(sorted(folder.name for folder in TEMPLATES.iterdir() if folder.is_dir()))
EXAMPLE = "make new-service NAME=loyalty LANGUAGE=python"


class NewServiceError(CommandError):
    """The service cannot be made; nothing was written. The message says what would be right."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}\nNothing was written. For example: {EXAMPLE}")


def write(name: str, language: str, services: Path) -> Path:
    """Writes the folder of the new service. Raises NewServiceError."""
    if language not in LANGUAGES:
        raise NewServiceError(f"LANGUAGE: `{language}` is invalid: {' or '.join(LANGUAGES)}")
    folder = services / name
    if name and folder.exists():
        raise NewServiceError(f"NAME: there is a folder {folder} already: choose another name, or remove it")
    spec = _spec(name, language)
    words = {"name": name, "module": spec.module, "title": name.replace("-", " ").capitalize()}
    for template in sorted((TEMPLATES / language).rglob("*")):
        if template.is_file() and "__pycache__" not in template.parts:
            written = folder / _named(template.relative_to(TEMPLATES / language), words)
            written.parent.mkdir(parents=True, exist_ok=True)
            written.write_text(Template(template.read_text()).substitute(words))
    try:
        catalogue.load(services)
    except CatalogueError as error:
        shutil.rmtree(folder)
        raise NewServiceError(str(error)) from None
    if language == "python":
        _print_interface(folder, spec.module)
        # Where an import belongs depends on the name.
        subprocess.run([sys.executable, "-m", "ruff", "check", "--quiet", "--select=I", "--fix", folder], check=True)
        subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", folder], check=True)
    return folder


def _spec(name: str, language: str) -> ServiceSpec:
    try:
        spec = ServiceSpec.model_validate({"name": name, "summary": "says hello", "language": language})
    except ValidationError:
        what = "lower-case letters, digits and single hyphens, starting with a letter"
        raise NewServiceError(f"NAME: `{name}` is invalid: {what}, at most {LONGEST_NAME} of them") from None
    # It may get a database later, whatever it begins with.
    if remedy := name_taken(name, (), {"language": language, "database": {"engine": "postgres"}}):
        raise NewServiceError(f"NAME: `{name}` {remedy}")
    # The name is that of a Python package, too, which must not hide another one.
    if find_spec(spec.module):
        raise NewServiceError(f"NAME: `{name}` is the name of a Python package that is in use: choose another")
    return spec


def _named(path: Path, words: dict[str, str]) -> Path:
    parts = [{"package": words["module"], "command": words["name"]}.get(part, part) for part in path.parts]
    return Path(*[part.removesuffix(".template") for part in parts])


def _print_interface(folder: Path, module: str) -> None:
    """Writes openapi.json, as `make generate` does."""
    path = os.pathsep.join([str(folder), str(ROOT / "services" / "chassis")])
    done = subprocess.run(
        [sys.executable, "-m", module, "openapi"],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        check=True,
    )
    (folder / "openapi.json").write_bytes(done.stdout)


def main(name: str = "", language: str = "python") -> None:
    folder = write(name, language, ROOT / "services")
    subprocess.run([sys.executable, "-m", "uv", "lock", "--quiet"], cwd=ROOT, check=True)
    shown = folder.relative_to(ROOT)
    print(
        f"{shown} is there. Next: make up; its tests: .venv/bin/python -m pytest {shown}; then read {shown}/README.md."
    )


if __name__ == "__main__":
    run("new-service", lambda: main(*sys.argv[1:]))
