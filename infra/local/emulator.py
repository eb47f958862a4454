"""The AWS of the laptop: MiniStack, on loopback only, keeping its state through a crash.

Run as `python -m infra.local.emulator` with PORT and STATE_DIR in the environment. MiniStack saves its state when it
ends in order; this program also saves it each second, so that `kill -9` loses a second at the most.
"""

import asyncio
import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hypercorn.typing import ASGIFramework, ASGIReceiveCallable, ASGIReceiveEvent, ASGISendCallable, Scope

SNAPSHOT_SECONDS = 1.0
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


class Snapshots:
    """Writes the state of each emulated service when it has changed since the last time."""

    def __init__(self) -> None:
        self._saved: dict[str, str] = {}

    def save(self) -> None:
        from ministack import app
        from ministack.core import persistence

        for name, get_state in app._build_persistence_save_dict().items():
            try:
                state: dict[str, Any] | None = get_state()
            except RuntimeError:  # a request changed it meanwhile: the next round saves it
                continue
            seen = repr(state)
            if state is not None and self._saved.get(name) != seen:
                persistence.save_state(name, state)
                self._saved[name] = seen


def hanging_up(app: "ASGIFramework") -> "ASGIFramework":
    """Gives up a request when its client is gone. SQS does; MiniStack would go on and hide messages from the living."""

    async def application(scope: "Scope", receive: "ASGIReceiveCallable", send: "ASGISendCallable") -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        messages: asyncio.Queue[ASGIReceiveEvent] = asyncio.Queue()
        answer = asyncio.ensure_future(app(scope, messages.get, send))

        async def listen() -> None:
            while (message := await receive())["type"] != "http.disconnect":
                messages.put_nowait(message)
            answer.cancel()

        listening = asyncio.ensure_future(listen())
        await asyncio.wait([answer])
        listening.cancel()
        if not answer.cancelled():
            answer.result()

    return application


def mend() -> None:
    """Cognito makes one identity for one address; MiniStack, with two calls at once, may make two."""
    from ministack.services import cognito

    unguarded, lock = cognito._admin_create_user, threading.Lock()

    def one_at_a_time(*arguments: Any, **options: Any) -> Any:
        with lock:
            return unguarded(*arguments, **options)

    cognito._admin_create_user = one_at_a_time


async def serve(port: int, state: Path) -> None:
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.environ.update(environment(port, state))
    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config
    from ministack.app import app

    mend()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.keep_alive_timeout = 75
    config.loglevel = "WARNING"
    snapshots = asyncio.create_task(_snapshots())
    await hypercorn_serve(hanging_up(app), config, shutdown_trigger=stopping.wait)
    snapshots.cancel()


async def _snapshots() -> None:
    snapshots = Snapshots()
    while True:
        await asyncio.sleep(SNAPSHOT_SECONDS)
        snapshots.save()


if __name__ == "__main__":
    asyncio.run(serve(int(os.environ["PORT"]), Path(os.environ["STATE_DIR"])))
