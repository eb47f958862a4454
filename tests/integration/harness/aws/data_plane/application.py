"""What of the data plane runs inside of the emulator: listeners, patches, and what goes on by itself."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from hypercorn.config import Config

from infra.local import ministack_patches
from infra.local.emulator import hanging_up
from infra.local.files import write_private
from tests.authority import Authority
from tests.integration.harness.aws.data_plane import gateway, logins, names, pod_identity, targets, webhook
from tests.integration.harness.aws.data_plane.databases import Instances, rds_runs_servers
from tests.integration.harness.aws.data_plane.kubernetes import ApiServer
from tests.integration.harness.aws.data_plane.settings import NAMES, DataPlane
from tests.integration.harness.machine.network import AWS, POD_IDENTITY

if TYPE_CHECKING:
    from hypercorn.typing import ASGIFramework
    from starlette.types import ASGIApp, Receive, Scope, Send


@asynccontextmanager
async def data_plane(plane: DataPlane, config: Config, app: "ASGIFramework") -> AsyncIterator["ASGIFramework"]:
    """The application that serves all of it; `config` gets its addresses. After the patches of patches/."""
    folder = Path(plane.folder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _listen(plane, config, folder)
    asking = await logins.serve()
    for patch in (ministack_patches.apply, *names.PATCHES, *gateway.PATCHES):
        patch()
    rds_runs_servers(Instances(plane, asking.sockets[0].getsockname()[1]))
    cluster = ApiServer(plane)
    registering = asyncio.create_task(targets.register(cluster))
    try:
        yield cast("ASGIFramework", _with_pod_identity(_secure(hanging_up(cast("ASGIApp", app))), cluster))
    finally:
        registering.cancel()
        asking.close()
        await cluster.close()


def _listen(plane: DataPlane, config: Config, folder: Path) -> None:
    certificate, key = Authority(folder=Path(plane.authority)).issue(*NAMES)
    write_private(folder / "aws.key", key)
    write_private(folder / "aws.pem", certificate)
    config.certfile, config.keyfile = str(folder / "aws.pem"), str(folder / "aws.key")
    config.alpn_protocols = ["http/1.1"]  # what AWS's SDKs speak
    config.insecure_bind = [*config.bind, f"{POD_IDENTITY}:80"]
    config.bind = [f"{AWS}:443"]


def _secure(app: "ASGIApp") -> "ASGIApp":
    """The provider comes over HTTP, on loopback, and stands for one that comes over HTTPS: policies ask for that."""

    async def application(scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] == "http" and scope["scheme"] == "http":
            scope["headers"] = [*scope["headers"], (b"x-forwarded-proto", b"https")]
        await app(scope, receive, send)

    return application


def _with_pod_identity(app: "ASGIApp", cluster: ApiServer) -> "ASGIApp":
    async def application(scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] == "http" and scope["server"][0] == POD_IDENTITY:
            token = next((value.decode() for name, value in scope["headers"] if name == b"authorization"), "")
            await _answer(send, *await pod_identity.agent(cluster, scope["path"], token))
        elif scope["type"] == "http" and scope["path"] == webhook.PATH:
            await _answer(send, 200, pod_identity.admitted(json.loads(await _body(receive))))
        else:
            await app(scope, receive, send)

    return application


async def _body(receive: "Receive") -> bytes:
    body, more = b"", True
    while more:
        event = await receive()
        if event["type"] != "http.request":
            raise ConnectionError("the client is gone")
        body, more = body + event["body"], event.get("more_body", False)
    return body


async def _answer(send: "Send", status: int, said: object) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(said).encode()})
