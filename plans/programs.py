"""The programs of the stacks, to be run on mocks: settings as the stack's file has them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from infra.command_line import CommandError, one_line
from plans import made_up
from stacks import aws, settings
from stacks.aws_settings import AwsSettings, merged

ROOT = Path(__file__).resolve().parent.parent
# What a person says of their own account, and no file of the repository can.
OF_ONE_ACCOUNT: Mapping[str, Any] = {"account": made_up.ACCOUNT, "cluster": {"reached_from": ["203.0.113.7/32"]}}


def aws_settings(stack: str, given: Mapping[str, Any] | None = None) -> AwsSettings:
    """The settings of `Pulumi.<stack>.yaml`, with `given` over them, and a made-up account under them.

    Raises:
        CommandError: for a stack that is not one on AWS.
    """
    on_aws = sorted({file.suffixes[0].removeprefix(".") for file in ROOT.glob("Pulumi.*.yaml")} - {settings.LOCAL})
    if stack not in on_aws:
        raise CommandError(f"`{stack}` is not a stack on AWS: STACK={', '.join(on_aws)}")
    document = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8")) or {}
    prefix = f"{settings.PROJECT}:"
    stands = {key.removeprefix(prefix): value for key, value in (document.get("config") or {}).items()}
    try:
        return AwsSettings.model_validate(merged(merged(OF_ONE_ACCOUNT, stands), given or {}))
    except ValidationError as error:
        raise CommandError(f"Pulumi.{stack}.yaml: {one_line(str(error))}") from None


def program(stack: str, given: Mapping[str, Any] | None = None) -> Callable[[], None]:
    """What `pulumi up -s <stack>` runs, for plans.planned.plan."""
    return lambda: aws.deploy(stack, aws_settings(stack, given))
