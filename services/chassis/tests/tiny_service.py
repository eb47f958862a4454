"""A service of almost nothing, run as a process of its own: `python -m services.chassis.tests.tiny_service`."""

import asyncio
from typing import Annotated

from chassis.auth import Principal, caller
from chassis.main import run
from chassis.service import Service
from chassis.settings import Settings
from fastapi import APIRouter, Request

router = APIRouter()
requested = asyncio.Event()


class TinySettings(Settings):
    stubborn: bool = False
    mortal: bool = False


class Worker:
    """Says in the log when it has finished; a stubborn one does not, and a mortal one dies of the first request."""

    name = "worker"

    def __init__(self, settings: TinySettings) -> None:
        self._stubborn = settings.stubborn
        self._mortal = settings.mortal

    async def run(self, stopping: asyncio.Event) -> None:
        if self._mortal:
            await requested.wait()
            raise RuntimeError("no more")
        await stopping.wait()
        if self._stubborn:
            await asyncio.sleep(60)
        print('{"event": "worker_finished"}', flush=True)

    def healthy(self) -> bool:
        return True


@router.get("/slow")
async def slow(request: Request) -> str:
    """Says in the log that it has begun, and is answered some time after the process was told to stop."""
    print('{"event": "slow_began"}', flush=True)
    requested.set()
    while request.app.state.stop_by is None:  # noqa: ASYNC110 (what sets it knows no event)
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.4)
    return "done"


@router.get("/stuck")
async def stuck() -> None:
    print('{"event": "stuck_began"}', flush=True)
    await asyncio.sleep(60)


@router.post("/size")
async def size(request: Request) -> int:
    return len(await request.body())


@router.get("/me")
async def me(principal: Annotated[Principal, caller("tiny/read")]) -> str:
    return principal.subject


def service(settings: TinySettings) -> Service:
    return Service(
        settings=settings,
        title="Tiny",
        summary="A test's.",
        routers=[router],
        workers=[Worker(settings)],
    )


async def greet(settings: TinySettings) -> None:
    print(f"I am {settings.service_name}.")


if __name__ == "__main__":
    run(service, TinySettings, commands={"greet": greet})
