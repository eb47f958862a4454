"""The settings of an environment. The only reader of `pulumi.Config`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
from pydantic import BaseModel, ConfigDict, ValidationError

from infra.catalogue_checks import Problem, problems_of

PROJECT = "shop"


class SettingsError(Exception):
    """Everything that is wrong with the settings of a stack."""


class LocalSettings(BaseModel):
    """`Pulumi.local.yaml`. Paths are relative to the root of the checkout."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    services: Path = Path("services")
    """The folder of the catalogue."""
    directory: Path = Path(".shop/local")
    """Where the data, the logs and the sockets of the stack lie."""

    def under(self, root: Path) -> "LocalSettings":
        """The same with absolute paths."""
        return LocalSettings(services=root / self.services, directory=root / self.directory)


def local_settings(stack: str, values: Mapping[str, str]) -> LocalSettings:
    """Settings from the values of a stack's configuration, keys without the name of the project.

    Raises:
        SettingsError: naming the file, each wrong key, its value, and what is allowed.
    """
    given: dict[str, Any] = dict(values)
    try:
        return LocalSettings.model_validate(given)
    except ValidationError as error:
        file = f"Pulumi.{stack}.yaml"
        problems = problems_of(error, file, LocalSettings)
        shown = [Problem(each.file, f"{PROJECT}:{each.field}", each.value, each.remedy) for each in problems]
        raise SettingsError("\n".join(["The settings are wrong; nothing was touched.", *map(str, shown)])) from None


def configured() -> Mapping[str, str]:
    """What the engine was given for this project."""
    prefix = f"{PROJECT}:"
    every = pulumi.runtime.config.CONFIG.get()
    return {key.removeprefix(prefix): value for key, value in every.items() if key.startswith(prefix)}
