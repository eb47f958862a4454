"""Where the shop is: the outputs of its stack, from a file, a short-lived cache, or Pulumi."""

import contextlib
import json
import os
import re
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from infra.local.files import write_private
from shop.checkout import (
    HOME,
    HOME_VARIABLE,
    ROOT,
    cached_outputs,
    home,
    local_pulumi_environment,
    pulumi_environment,
)
from shop.errors import NotUp, ShopError

LOCAL = "local"
CACHE_SECONDS = 60
PULUMI_SECONDS = 60
OUTPUTS_VARIABLE = "SHOP_OUTPUTS"


class Outputs(BaseModel):
    """What `pulumi stack output --json` says of an environment, as far as its people need it."""

    model_config = ConfigDict(frozen=True)

    url: str
    issuer: str
    client_id: str
    scopes: list[str]
    callback_url: str
    authorize_url: str
    token_url: str
    user_pool_id: str | None = None
    aws_endpoint: str | None = None
    """Of the emulator; None on AWS."""


def made_home() -> Path:
    """`home()`, made where it is not there. Raises ShopError."""
    try:
        home().mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = "it is no folder" if isinstance(error, FileExistsError) else error.strerror
        raise ShopError(f"nothing can be kept in {home()}: {reason}; {HOME_VARIABLE} names another folder") from None
    return home()


def find(stack: str) -> Outputs:
    """The outputs of the stack, or those in the file that SHOP_OUTPUTS names.

    Raises:
        NotUp: when there is no such shop.
        ShopError: when the file cannot be read.
    """
    if named := os.environ.get(OUTPUTS_VARIABLE):
        return _from_file(Path(named))
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,100}", stack):
        raise ShopError(f"{stack!r} is not the name of a stack")
    cache = cached_outputs(stack)
    try:
        if 0 <= time.time() - cache.stat().st_mtime < CACHE_SECONDS:
            return Outputs.model_validate_json(cache.read_bytes())
    except (OSError, ValidationError):
        pass
    outputs = _valid(_asked(stack), stack)
    with contextlib.suppress(OSError, ShopError):  # the next command asks again then
        made_home()
        write_private(cache, outputs.model_dump_json())
    return outputs


def how_to_start(stack: str) -> str:
    return "make up" if stack == LOCAL else f"make up STACK={stack}"


def _from_file(path: Path) -> Outputs:
    try:
        return Outputs.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ShopError(f"{OUTPUTS_VARIABLE} names {path}: {error.strerror}") from None
    except ValidationError as error:
        raise ShopError(f"{OUTPUTS_VARIABLE} names {path}, which has no outputs of a shop: {_first(error)}") from None


def _asked(stack: str) -> Mapping[str, Any]:
    """Asks Pulumi. Empty when the stack is not there, or has never been up."""
    if stack == LOCAL and not (HOME / "state/.pulumi").exists():
        return {}
    try:
        given = local_pulumi_environment() if stack == LOCAL else pulumi_environment()
        shown = subprocess.run(
            ["pulumi", "--non-interactive", "stack", "output", "--json", "--stack", stack],
            cwd=ROOT,
            env=os.environ | given,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=PULUMI_SECONDS,
        )
    except FileNotFoundError:
        raise ShopError("the Pulumi CLI is not there: make setup") from None
    except subprocess.TimeoutExpired:
        raise ShopError(f"`pulumi stack output -s {stack}` did not answer within {PULUMI_SECONDS} s") from None
    if shown.returncode != 0 and stack != LOCAL:
        raise NotUp(f"`pulumi stack output -s {stack}` failed: {' '.join(shown.stderr.split())}")
    try:
        return dict(json.loads(shown.stdout)) if shown.returncode == 0 else {}
    except (ValueError, TypeError):
        raise NotUp(f"`pulumi stack output -s {stack}` did not answer with JSON") from None


def _valid(outputs: Mapping[str, Any], stack: str) -> Outputs:
    if "url" not in outputs:
        raise NotUp(f"the shop is not up: {how_to_start(stack)}")
    try:
        return Outputs.model_validate(outputs)
    except ValidationError as error:
        raise NotUp(f"the stack {stack} is of another version ({_first(error)}): {how_to_start(stack)}") from None


def _first(error: ValidationError) -> str:
    found = error.errors()[0]
    return f"{'.'.join(map(str, found['loc'])) or 'the document'}: {found['msg']}"
