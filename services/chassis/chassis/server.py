"""uvicorn, set up for a service behind a load balancer."""

from __future__ import annotations

import math
import socket
import time

import uvicorn
from fastapi import FastAPI

from chassis.settings import Settings

KEEP_ALIVE_SECONDS = 75
"""Longer than the 60 s after which a load balancer closes an idle connection: it must be the one to do so."""


class Server(uvicorn.Server):
    """Serves an application; told to stop, it takes no more, and what is in flight shares one time to finish.

    First the requests, then the workers (see app), together within `shutdown_seconds` of the settings. A worker that
    dies tells it to stop, too: whoever started the process starts it again, also where nobody asks /livez.
    """

    failed = False
    """Whether a worker has died."""

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                loop="uvloop",
                http="httptools",
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=math.ceil(settings.shutdown_seconds),
            )
        )
        self._app = app
        self._shutdown_seconds = settings.shutdown_seconds

    async def on_tick(self, counter: int) -> bool:
        self.failed = bool(self._app.state.workers.dead())
        return await super().on_tick(counter) or self.failed

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.stop_by = time.monotonic() + self._shutdown_seconds
        await super().shutdown(sockets)
