"""The service as it runs: a process with an environment, told to stop by a signal."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from chassis.messages import Event
from users.bootstrap import UsersSettings

from tests.fixtures import Queue, eventually, free_port
from tests.tokens import Issuer

from .people import PASSWORD, Person, Pool

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@asynccontextmanager
async def started(settings: UsersSettings, pool: Pool, topic_arn: str, log: Path) -> AsyncIterator[str]:
    """The URL of a running `python -m users`, which ends in order afterwards."""
    port = free_port()
    environment = {
        "SERVICE_NAME": "users",
        "SERVICE_VERSION": "test",
        "ENVIRONMENT": "local",
        "PORT": str(port),
        "LOG_LEVEL": "DEBUG",
        "DATABASE_URL": str(settings.database_url),
        "DATABASE_PASSWORD": settings.database_password.get_secret_value() if settings.database_password else "",
        "TOPIC_ARN": topic_arn,
        "TOKEN_ISSUER": str(settings.token_issuer),
        "TOKEN_AUDIENCE": pool.client_id,
        "TOKEN_JWKS_URL": str(settings.token_jwks_url),
        "USER_POOL_ID": pool.id,
    }
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "users", env=os.environ | environment, stdout=output, stderr=output
        )
    try:
        url = f"http://127.0.0.1:{port}"
        await eventually(partial(is_ready, url), deadline_seconds=60)
        yield url
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 30) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def is_ready(url: str) -> bool:
    async with httpx.AsyncClient(base_url=url) as http:
        try:
            return (await http.get("/readyz")).status_code == 200
        except httpx.ConnectError:
            return False


def taken_from(queue: Queue) -> list[Event]:
    """Some events, which are on the queue no more."""
    messages = queue.client.receive_message(QueueUrl=queue.url, MaxNumberOfMessages=10).get("Messages", [])
    for message in messages:
        queue.client.delete_message(QueueUrl=queue.url, ReceiptHandle=message["ReceiptHandle"])
    return [Event.model_validate_json(message["Body"]) for message in messages]


async def test_a_person_signs_up_others_are_told_and_no_secret_is_logged(
    settings: UsersSettings,
    tokens: Issuer,
    pool: Pool,
    email: str,
    tmp_path: Path,
    make_topic: Callable[[], str],
    make_queue: Callable[..., Queue],
) -> None:
    topic_arn = make_topic()
    queue = make_queue(topic_arn, ["user.created", "user.updated"])
    received: dict[UUID, Event] = {}

    async def both_arrived() -> bool:
        for event in await asyncio.to_thread(taken_from, queue):
            if event.data["user_id"] == user_id:
                received[event.id] = event
        return len(received) == 2

    async with started(settings, pool, topic_arn, tmp_path / "log") as url, httpx.AsyncClient(base_url=url) as http:
        ada = Person(email, http, tokens, pool)
        user_id = await ada.signed_up()
        assert (await ada.sign_up(password="wrong-Horse-9-battery")).status_code == 409
        await ada.change(name="Ada King")
        await eventually(both_arrived, deadline_seconds=30)
        token = ada.http.headers["Authorization"].removeprefix("Bearer ")

    assert sorted((event.sequence, event.type, event.data) for event in received.values()) == [
        (1, "user.created", {"user_id": user_id, "email": email, "name": "Ada"}),
        (2, "user.updated", {"user_id": user_id, "name": "Ada King"}),
    ]
    log = (tmp_path / "log").read_text()
    lines: list[dict[str, Any]] = [json.loads(line) for line in log.splitlines()]
    assert [(line["status"], line["route"]) for line in lines if line["event"] == "request_handled"] == [
        (201, "/users"),
        (409, "/users"),
        (200, "/users/me"),
    ]
    assert [line for line in lines if line["level"] not in ("debug", "info")] == []
    for secret in (PASSWORD, "wrong-Horse-9-battery", token, email, "Ada"):
        assert secret not in log
