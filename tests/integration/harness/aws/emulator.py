"""The AWS of the integration tests: MiniStack with our patches, in memory, on loopback only.

Run as `python -m tests.integration.harness.aws.emulator` with PORT and STATE_DIR in the environment. With
SHOP_DATA_PLANE it also does what pods need of AWS, and enforces IAM (data_plane/).
"""

import asyncio
import json
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from infra.local.emulator import environment
from tests.integration.harness.aws.calls import noting
from tests.integration.harness.aws.data_plane import settings

if TYPE_CHECKING:
    from hypercorn.typing import ASGIFramework, ASGIReceiveCallable, ASGISendCallable, ASGISendEvent, Scope
    from starlette.types import ASGIApp

INVENTORY = "/_integration/inventory"


ANSWER_SECONDS = 0.005
"""The provider's HTTP client takes an answer within the same millisecond as the end of its request for a broken
connection now and then, and sends the request again: a role is then made twice, and the second time refused. Seen once
in a hundred creations without this wait, never in a thousand with it."""
SIGN_INS = ("auth_codes", "authorization_codes", "challenge_sessions", "refresh_tokens", "revoked_tokens")
RECORDS = frozenset({"cloudwatch/alarm_history", "ec2/tags", "rds/events", *(f"cognito/{name}" for name in SIGN_INS)})
"""Stores of what was, not of what is: what happened to an alarm or a database, and who signed in, as AWS keeps it; the
tags of what is deleted."""


def inventory() -> dict[str, list[str]]:
    """Everything that every emulated service keeps: `service/store` -> the keys in it. Empty stores are left out."""
    from ministack import app

    from tests.integration.harness.aws.patches.api_gateway import vpc_links

    states = {service: get_state() or {} for service, get_state in app._build_persistence_save_dict().items()}
    stores = {f"{service}/{store}": content for service, state in states.items() for store, content in state.items()}
    stores["apigateway/vpc_links"] = vpc_links
    kept = {name: sorted(map(str, _keys(content))) for name, content in stores.items() if name not in RECORDS}
    return {name: keys for name, keys in kept.items() if keys}


def _keys(store: Any) -> Iterator[Any]:
    if hasattr(store, "to_dict"):  # MiniStack's mappings, of all accounts, and of all regions where it has any
        yield from (key for key, content in store.to_dict().items() if not _is_gone(content))
    elif isinstance(store, Mapping):
        yield from (key for key, content in store.items() if not _is_gone(content))
    elif isinstance(store, list | set | tuple):
        yield from store


def _is_gone(content: Any) -> bool:
    """What AWS shows for a while after it was deleted: a key of KMS for its week, a NAT gateway for its hour."""
    if isinstance(content, Mapping):
        return not content or content.get("KeyState") == "PendingDeletion" or content.get("State") == "deleted"
    return content is None or content in ([], 0)  # 0: so many roles have a policy of AWS's


def with_inventory(app: "ASGIFramework") -> "ASGIFramework":
    """Answers GET /_integration/inventory, and leaves the rest to MiniStack."""

    async def application(scope: "Scope", receive: "ASGIReceiveCallable", send: "ASGISendCallable") -> None:
        if scope["type"] != "http" or scope["path"] != INVENTORY:
            await app(scope, receive, send)
            return
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers, "trailers": False})
        await send({"type": "http.response.body", "body": json.dumps(inventory()).encode(), "more_body": False})

    return application


def unhurried(app: "ASGIFramework") -> "ASGIFramework":
    """Answers no sooner than in ANSWER_SECONDS, where the provider asks: over HTTP."""

    async def application(scope: "Scope", receive: "ASGIReceiveCallable", send: "ASGISendCallable") -> None:
        async def send_later(event: "ASGISendEvent") -> None:
            if event["type"] == "http.response.start" and scope.get("scheme") != "https":
                await asyncio.sleep(ANSWER_SECONDS)
            await send(event)

        await app(scope, receive, send_later)

    return application


async def serve(port: int, state: Path) -> None:
    plane = settings.read(os.environ)
    # AUTH: signatures are verified and policies evaluated, but for the account's root, who is `test`.
    os.environ.update(environment(port, state) | {"PERSIST_STATE": "0", "AUTH": "true" if plane else "false"})
    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config
    from ministack.app import app

    from tests.integration.harness.aws.patches.apply import apply_patches

    apply_patches()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.keep_alive_timeout = 75
    config.loglevel = "WARNING"
    application = with_inventory(cast("ASGIFramework", noting(cast("ASGIApp", unhurried(app)), state)))
    async with AsyncExitStack() as running:
        if plane is not None:
            from tests.integration.harness.aws.data_plane.application import data_plane

            application = await running.enter_async_context(data_plane(plane, config, application))
        await hypercorn_serve(application, config, shutdown_trigger=stopping.wait)


if __name__ == "__main__":
    asyncio.run(serve(int(os.environ["PORT"]), Path(os.environ["STATE_DIR"])))
