import asyncio
from collections.abc import Callable

import pytest
from chassis.workers import WorkerGroup
from structlog.testing import capture_logs

from services.chassis.tests.applications import application, served
from tests.fixtures import eventually


class Idle:
    """Works until it is told to stop, then does `at_the_end`."""

    def __init__(self, name: str = "idle", at_the_end: Callable[[], None] = lambda: None) -> None:
        self.name = name
        self.fine = True
        self._at_the_end = at_the_end

    async def run(self, stopping: asyncio.Event) -> None:
        await stopping.wait()
        self._at_the_end()

    def healthy(self) -> bool:
        return self.fine


class Broken(Idle):
    async def run(self, stopping: asyncio.Event) -> None:
        raise RuntimeError("no more")


class Early(Idle):
    async def run(self, stopping: asyncio.Event) -> None:
        return


class Stubborn(Idle):
    def __init__(self) -> None:
        super().__init__("stubborn")
        self.cancelled = False

    async def run(self, stopping: asyncio.Event) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise


async def test_a_service_is_alive_while_its_workers_work() -> None:
    worker = Idle()
    async with served(application(workers=[worker, Idle()])) as client:
        assert (await client.get("/livez")).status_code == 200

        worker.fine = False
        answer = await client.get("/livez")

    assert answer.status_code == 503
    assert answer.json()["detail"] == "Dead or stuck: idle."


@pytest.mark.parametrize(
    ("worker", "event"), [(Broken("broken"), "worker_died"), (Early("early"), "worker_stopped_early")]
)
async def test_a_worker_that_dies_fails_the_liveness_and_is_logged(worker: Idle, event: str) -> None:
    with capture_logs() as logs:
        async with served(application(workers=[Idle(), worker])) as client:

            async def dead() -> bool:
                return (await client.get("/livez")).status_code == 503

            await eventually(dead)
            assert (await client.get("/livez")).json()["detail"] == f"Dead or stuck: {worker.name}."

    found = [entry for entry in logs if entry["event"] == event]
    assert [entry["worker"] for entry in found] == [worker.name]


async def test_workers_finish_before_the_application_ends() -> None:
    finished: list[str] = []
    workers = [Idle("one", lambda: finished.append("one")), Idle("two", lambda: finished.append("two"))]

    async with served(application(workers=workers)) as client:
        await client.get("/livez")
        assert finished == []

    assert sorted(finished) == ["one", "two"]


async def test_a_worker_that_does_not_finish_in_time_is_cancelled_and_named() -> None:
    stubborn, finished = Stubborn(), list[str]()
    group = WorkerGroup([stubborn, Idle("one", lambda: finished.append("one"))])
    group.start()
    await asyncio.sleep(0)

    with capture_logs() as logs:
        await group.stop(0.05)

    assert stubborn.cancelled
    assert finished == ["one"]
    assert [(entry["event"], entry["worker"]) for entry in logs] == [("worker_cancelled", "stubborn")]
