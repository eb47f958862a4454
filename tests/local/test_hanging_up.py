"""The emulator gives up a request whose client is gone; and what it is told of this machine."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from infra.local.emulator import environment, hanging_up

BODY: list[dict[str, Any]] = [
    {"type": "http.request", "body": b"a", "more_body": True},
    {"type": "http.request", "body": b"b"},
]


async def request(app: Any, *after: dict[str, Any], scope: str = "http") -> list[Any]:
    """What the application sends when a body of two parts and then these messages come; the last for ever."""
    coming, sent = iter([*BODY, *after]), []

    async def receive() -> dict[str, Any]:
        for message in coming:
            return message
        return await asyncio.Future[dict[str, Any]]()

    async def send(message: Any) -> None:
        sent.append(message)

    await hanging_up(app)({"type": scope}, receive, send)
    return sent


async def answering(scope: Any, receive: Any, send: Any) -> None:
    parts = [await receive(), await receive()]
    await send(b"".join(part["body"] for part in parts))


async def waiting(scope: Any, receive: Any, send: Any) -> None:
    await answering(scope, receive, send)
    await asyncio.Future()


async def test_a_request_is_answered_with_its_whole_body() -> None:
    assert await request(answering) == [b"ab"]


async def test_a_request_that_waits_ends_when_its_client_goes_and_the_server_does_not_notice() -> None:
    sent = await asyncio.wait_for(request(waiting, {"type": "http.something"}, {"type": "http.disconnect"}), 30)

    assert sent == [b"ab"]
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()


async def test_a_request_that_the_server_ends_is_ended() -> None:
    task = asyncio.create_task(request(waiting))
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_nobody_listens_any_more_when_a_request_is_done() -> None:
    before = asyncio.all_tasks()
    await request(answering)
    await asyncio.sleep(0)

    assert asyncio.all_tasks() == before


async def test_what_is_no_request_is_handed_through() -> None:
    given: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        given.append(receive.__qualname__)

    await request(app, scope="lifespan")

    assert given == ["request.<locals>.receive"]


def test_the_emulator_keeps_its_state_listens_on_loopback_and_opens_no_other_port() -> None:
    assert environment(4566, Path("/state")) == {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": "4566",
        "IOT_MTLS_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
        "MINISTACK_ACCOUNT_ID": "000000000000",
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_WORKER_THREADS": "8",
        "PERSIST_STATE": "1",
        "SFTP_ENABLED": "0",
        "STATE_DIR": "/state",
    }
