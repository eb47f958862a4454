"""What each stack is made of is what was agreed on: the files beside this one."""

import difflib
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel

from infra.service.catalogue import ServiceSpec
from stacks.aws_settings import AwsSettings
from tests.golden.plans import CATALOGUE, file, made_up, names, planned

ACCEPT = "If that is what you want: make generate, and look at git diff tests/golden"
SHOWN = 200
"""Lines of a difference, before it is cut."""


@pytest.mark.parametrize("name", names())
def test_the_plan_is_the_one_that_was_agreed_on(name: str) -> None:
    agreed, now = file(name).read_text(encoding="utf-8"), planned(name)

    if now != agreed:
        difference = list(
            difflib.unified_diff(agreed.splitlines(), now.splitlines(), f"tests/golden/{name}.yaml", "as it is now")
        )
        cut = [f"... and {len(difference) - SHOWN} more lines"] if len(difference) > SHOWN else []
        pytest.fail("\n".join([*difference[:SHOWN], *cut, ACCEPT]), pytrace=False)


def test_the_made_up_stacks_say_everything_that_settings_can_say() -> None:
    """A setting that is read and never handed on would be the same in every plan."""
    said = [_paths(each["settings"]) for each in made_up().values()]
    chosen_by_the_purpose = {"purpose", "protected", "idle_replicas", "to_be_destroyed"}

    assert _fields(AwsSettings) - set[str]().union(*said) - chosen_by_the_purpose == set()


def test_the_made_up_catalogue_says_everything_that_a_declaration_can_say() -> None:
    declared = [yaml.safe_load(file.read_text()) for file in sorted(CATALOGUE.glob("*/service.yaml"))]

    assert _fields(ServiceSpec) - set[str]().union(*map(_paths, declared)) == set()


def _fields(model: type[BaseModel], above: str = "") -> set[str]:
    found = set()
    for name, field in model.model_fields.items():
        inner = [each for each in (field.annotation, *get_args(field.annotation)) if _is_model(each)]
        found |= _fields(inner[0], f"{above}{name}.") if inner else {f"{above}{name}"}
    return found


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _paths(value: Any, above: str = "") -> set[str]:
    """Of lists, the paths in their entries."""
    match value:
        case dict():
            inner = [_paths(each, f"{above}{key}.") for key, each in value.items()]
            return {above.removesuffix(".")}.union(*inner) - {""}
        case list():
            return {above.removesuffix(".")}.union(*(_paths(each, above) for each in value))
    return {above.removesuffix(".")}
