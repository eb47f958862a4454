"""The AWS of the laptop: MiniStack, on loopback only, keeping its state through a crash.

Run as `python -m infra.local.emulator` with PORT and STATE_DIR in the environment. MiniStack saves its state when it
ends in order; this program also saves it each second, so that `kill -9` loses a second at the most.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from infra.local import ministack_patches
from infra.local.snapshots import Snapshots

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

SNAPSHOT_SECONDS = 1.0
FINISH_SECONDS = 3
"""What requests get to end when the emulator does; who waits for messages is then sent away."""
ACCOUNT = "000000000000"


def environment(port: int, state: Path) -> dict[str, str]:
    """What MiniStack reads when it is imported."""
    return {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_WORKER_THREADS": "8",
        "PERSIST_STATE": "1",
        "SFTP_ENABLED": "0",
        "STATE_DIR": str(state),
    }


class _Listener:
    """Hands the body of a request through, then listens whether its client goes, which cancels the task `answering`."""

    def __init__(self, receive: "Receive", answering: "asyncio.Task[object] | None") -> None:
        self._receive = receive
        self._answering = answering
        self._listening: asyncio.Task[None] | None = None
        self.client_is_gone = False

    async def receive(self) -> "Message":
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body") and self._listening is None:
            self._listening = asyncio.ensure_future(self._listen())
        return message

    def stop(self) -> None:
        if self._listening is not None:
            self._listening.cancel()

    async def _listen(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.client_is_gone = True
        if self._answering is not None:
            self._answering.cancel()


def hanging_up(app: "ASGIApp") -> "ASGIApp":
    """Gives up a request when its client is gone. SQS does; MiniStack would go on and hide messages from the living."""

    async def application(scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        answering = asyncio.current_task()
        listener = _Listener(receive, answering)
        try:
            await app(scope, listener.receive, send)
        except asyncio.CancelledError:
            if not listener.client_is_gone or answering is None:
                raise
            answering.uncancel()
        finally:
            listener.stop()

    return application


async def serve(port: int, state: Path) -> None:
    """Until it is told to stop, or cannot save any more: then it ends with an error, and is started again."""
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.environ.update(environment(port, state))
    import uvicorn
    from ministack import app

    ministack_patches.apply()
    snapshots = Snapshots(state)
    stopped = asyncio.Event()

    def load() -> None:
        snapshots.load()
        group.create_task(_save(snapshots, stopped))  # not earlier: it would save that nothing is there

    app._load_persisted_state, app.save_all = load, lambda _: None
    config = uvicorn.Config(
        ministack_patches.for_programs_only(hanging_up(app.app)),
        host="127.0.0.1",
        port=port,
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        log_level=logging.WARNING,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,  # MiniStack has its own
        timeout_keep_alive=75,
        timeout_graceful_shutdown=FINISH_SECONDS,
    )
    async with asyncio.TaskGroup() as group:
        try:
            await uvicorn.Server(config).serve()
        except SystemExit as end:  # uvicorn raises the signal again when it is done with it
            if end.code:
                raise
        stopped.set()


async def _save(snapshots: Snapshots, stopped: asyncio.Event) -> None:
    """Each second, and once when no request can change anything any more."""
    while not stopped.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), SNAPSHOT_SECONDS)
        await snapshots.save()


if __name__ == "__main__":
    # uvicorn raises the signal again when it is done with it: to be told to stop and to have stopped is a success.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    uvloop.run(serve(int(os.environ["PORT"]), Path(os.environ["STATE_DIR"])))
