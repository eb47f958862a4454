"""The plans that are kept, and how each is made."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml

from plans.planned import plan
from tests.golden.answers import answer, call
from tests.golden.templates import templates
from tests.golden.text import ROOT, text

HERE = Path(__file__).parent
CATALOGUE = HERE / "catalogue"
"""Made up: its services use everything that a declaration can say."""
SETTINGS = HERE / "settings.yaml"
"""Of the plans beside those of the repository's own stacks: name -> stack, purpose and settings."""
OWN = ("dev", "staging", "prod")
LAPTOP = "local"
LAPTOPS = {"local-everything": CATALOGUE.relative_to(ROOT), LAPTOP: Path("services")}
"""Name -> the catalogue that is brought up."""
SCHEMA, TEMPLATES = "settings-schema", "templates"
"""No plans: what settings may be; what the roles' templates come to."""


def names() -> list[str]:
    """The cheapest first."""
    return [SCHEMA, TEMPLATES, *made_up(), *LAPTOPS, *OWN]


def file(name: str) -> Path:
    return HERE / f"{name}.yaml"


def planned(name: str) -> str:
    """The plan of this name, as it would stand in its file."""
    if name == SCHEMA:
        return _schema()
    if name == TEMPLATES:
        return templates()
    stack, settings = made_up().get(name, {"stack": LAPTOP if name in LAPTOPS else name, "settings": {}}).values()
    run = _laptop(LAPTOPS[name]) if name in LAPTOPS else _environment(stack, settings)
    with without_sources():
        return text(plan(run, stack, answer, call))


def _environment(stack: str, settings: Mapping[str, Any]) -> Callable[[], None]:
    programs: Any = import_module("plans.programs")
    run: Callable[[], None] = programs.program(stack, settings)
    return run


def _laptop(services: Path) -> Callable[[], None]:
    local, settings = import_module("stacks.local"), import_module("stacks.settings")
    given = settings.LocalSettings(services=services, directory=Path("/checkout/.shop/local"))
    return lambda: local.deploy(LAPTOP, given)


def _schema() -> str:
    """Every key that `Pulumi.<stack>.yaml` may have, its bounds and its default."""
    models = (import_module("stacks.aws_settings").AwsSettings, import_module("stacks.settings").LocalSettings)
    return yaml.safe_dump({model.__name__: model.model_json_schema() for model in models}, width=120)


def made_up() -> dict[str, dict[str, Any]]:
    """Name of a plan -> its stack and settings."""
    document: dict[str, dict[str, Any]] = yaml.safe_load(SETTINGS.read_text(encoding="utf-8"))
    return document


@contextmanager
def without_sources() -> Iterator[None]:
    """Versions name the files that they are made of: else each change of a service would change a plan. And there is
    Go, whether or not this machine has it."""
    build_context, fingerprint, binaries = map(
        import_module, ("infra.build_context", "infra.fingerprint", "infra.local.binaries")
    )
    with ExitStack() as undo:
        undo.enter_context(patch.object(build_context, "version", _version))
        undo.enter_context(patch.object(binaries, "go", lambda: "go"))
        used = fingerprint.fingerprint
        for name, module in list(sys.modules.items()):
            if name.startswith("infra.") and getattr(module, "fingerprint", None) is used:
                undo.enter_context(patch.object(module, "fingerprint", _fingerprint))
        yield


def _version(context: Path, dockerfile: Path, build_args: Mapping[str, str] | None = None) -> str:
    """Fit for a tag."""
    return "-".join(["version", *_within(context, dockerfile).split("/"), *sorted(build_args or ())])


def _fingerprint(*paths: Path) -> str:
    return f"${{version of {' '.join(_within(ROOT, path) for path in paths)}}}"


def _within(folder: Path, path: Path) -> str:
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)
