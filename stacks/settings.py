"""Settings, and those of the laptop. The only reader of `pulumi.Config`; those of AWS are in aws_settings.py."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import pulumi
from pydantic import BaseModel, ConfigDict, ValidationError

from infra.command_line import CommandError
from infra.declaration.problems import Problem, problems_of

PROJECT = "shop"
LOCAL = "local"

S = TypeVar("S", bound="Settings")


class SettingsError(CommandError):
    """Everything that is wrong with the settings of a stack."""

    def __init__(self, stack: str, problems: list[Problem]) -> None:
        file = f"Pulumi.{stack}.yaml"
        shown = [Problem(file, f"{PROJECT}:{each.field}".rstrip(":"), each.value, each.remedy) for each in problems]
        super().__init__("\n".join(["The settings are wrong; nothing was touched.", *map(str, shown)]))


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LocalSettings(Settings):
    """`Pulumi.local.yaml`. Paths are relative to the root of the checkout."""

    services: Path = Path("services")
    """The folder of the catalogue."""
    directory: Path = Path(".shop/local")
    """Where the data, the logs and the sockets of the stack lie."""

    def under(self, root: Path) -> "LocalSettings":
        """The same with absolute paths."""
        return LocalSettings(services=root / self.services, directory=root / self.directory)


def settings(
    model: type[S],
    stack: str,
    values: Mapping[str, str],
    patterns: Mapping[str, str] | None = None,
    missing: Mapping[str, str] | None = None,
) -> S:
    """Settings from the values of a stack's configuration, keys without the name of the project.

    Args:
        patterns: key -> what its pattern means.
        missing: key -> what to say when it is not there.

    Raises:
        SettingsError: naming the file, each wrong key, its value, and what is allowed.
    """
    try:
        return model.model_validate({key: _structured(value) for key, value in values.items()})
    except ValidationError as error:
        found = problems_of(error, "", model, patterns or {})
        raise SettingsError(stack, [_explained(problem, missing or {}) for problem in found]) from None


def local_settings(stack: str, values: Mapping[str, str]) -> LocalSettings:
    """Raises: SettingsError."""
    return settings(LocalSettings, stack, values)


def _explained(problem: Problem, missing: Mapping[str, str]) -> Problem:
    is_missing = problem.remedy == "is missing" and problem.field in missing
    return Problem("", problem.field, None, missing[problem.field]) if is_missing else problem


def _structured(value: str) -> Any:
    """Pulumi hands over a list or a mapping as JSON."""
    try:
        return json.loads(value) if value.startswith(("{", "[")) else value
    except json.JSONDecodeError:
        return value


def configured() -> Mapping[str, str]:
    """What the engine was given for this project."""
    prefix = f"{PROJECT}:"
    every = pulumi.runtime.config.CONFIG.get()
    return {key.removeprefix(prefix): value for key, value in every.items() if key.startswith(prefix)}
