"""What the templates of the roles come to: for an environment that has everything that they know, and for one that has
the least; and the account's."""

from collections.abc import Mapping
from typing import Any

import yaml

from tests.aws.cloudformation import ACCOUNT, Template
from tests.golden.text import ROOT

ENVIRONMENT, OF_THE_ACCOUNT = ROOT / "infra/environment.yaml", ROOT / "infra/account.yaml"
IMPORTS = {each: f"${{{each}}}" for each in ("shop-state", "shop-state-key", "shop-github")}
REPOSITORY = {"Repository": "shop/shop"}
EVERYTHING = {
    "Environment": "dev",
    "HostedZone": "Z0123456789ABC",
    "People": f"arn:aws:iam::{ACCOUNT}:role/developers,arn:aws:iam::{ACCOUNT}:user/ada",
    "Previews": "true",
}
TEMPLATES: Mapping[str, tuple[Any, Mapping[str, str]]] = {
    "dev, with everything": (ENVIRONMENT, REPOSITORY | EVERYTHING),
    "prod, with the least": (ENVIRONMENT, REPOSITORY | {"Environment": "prod"}),
    "prod, with previews": (ENVIRONMENT, REPOSITORY | {"Environment": "prod", "Previews": "true"}),
    "account": (OF_THE_ACCOUNT, {}),
    "account that has everything": (OF_THE_ACCOUNT, {"CreateGitHubProvider": "false", "CreateSpotRole": "false"}),
}
SAID_TO_PEOPLE = "Description"


def templates() -> str:
    """As it would stand in its file. What AWS makes of them is here; `Sid` and descriptions, which change nothing, are
    not."""
    found = {name: _of(Template(file, values, IMPORTS)) for name, (file, values) in TEMPLATES.items()}
    asked = {file.name: _without_words(Template(file, values).document["Parameters"]) for file, values in _once()}
    return yaml.safe_dump({"parameters": asked, "templates": found}, width=120, default_flow_style=None)


def _once() -> list[tuple[Any, Mapping[str, str]]]:
    return list({file: (file, values) for file, values in TEMPLATES.values()}.values())


def _of(template: Template) -> dict[str, Any]:
    sections = {"resources": template.resources, "outputs": template.outputs, "refused": template.refused()}
    return {name: _without_words(section) for name, section in sections.items()}


def _without_words(value: Any) -> Any:
    match value:
        case dict():
            kept = {key: each for key, each in value.items() if key != "Sid" and not key.endswith(SAID_TO_PEOPLE)}
            return {key: _without_words(each) for key, each in kept.items()}
        case list():
            return [_without_words(each) for each in value]
    return value
