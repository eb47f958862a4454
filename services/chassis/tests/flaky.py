"""The emulator behind a bad network: requests that do not arrive, answers that get lost."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Literal

from aiohttp import ClientSession, web

Fault = Literal["none", "unavailable", "answer lost"] | web.Response


@asynccontextmanager
async def flaky(target: str, fault: Callable[[], Fault]) -> AsyncIterator[str]:
    """The URL of a proxy for `target`; `fault` says for each request what goes wrong.

    unavailable: answered 503, and the target never sees it. answer lost: the target does what was asked, the caller
    sees a broken connection. A response: answered with it, and the target never sees the request.
    """

    async def forward(request: web.Request) -> web.StreamResponse:
        kind = fault()
        if isinstance(kind, web.Response):
            return kind
        if kind == "unavailable":
            return web.Response(status=503)
        async with session.request(
            request.method, target, headers=request.headers, data=await request.read()
        ) as answer:
            body = await answer.read()
        if kind == "answer lost" and request.transport is not None:
            request.transport.abort()
        return web.Response(status=answer.status, body=body, content_type=answer.content_type)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", forward)
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0)
    await runner.setup()
    async with ClientSession() as session:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            await runner.cleanup()
