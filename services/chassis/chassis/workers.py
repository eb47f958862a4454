"""The lifecycle of a process's workers: started together, monitored, and stopped with a time-out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from chassis.service import Worker

log = structlog.get_logger(__name__)


class WorkerGroup:
    """Runs each worker as a task of its own."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self._workers = workers
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._watched(worker), name=worker.name) for worker in self._workers]

    def dead(self) -> list[str]:
        """The names of the workers that ended before they were told to."""
        return [] if self._stopping.is_set() else [task.get_name() for task in self._tasks if task.done()]

    def unhealthy(self) -> list[str]:
        """The names of the workers that only a restart can help."""
        pairs = zip(self._workers, self._tasks, strict=True)
        return [worker.name for worker, task in pairs if task.done() or not worker.healthy()]

    async def stop(self, timeout_seconds: float) -> None:
        """Tells the workers to finish, and cancels those that have not after the time-out."""
        self._stopping.set()
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=timeout_seconds)
        for task in late:
            log.error("worker_cancelled", worker=task.get_name(), timeout_seconds=timeout_seconds)
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _watched(self, worker: Worker) -> None:
        try:
            await worker.run(self._stopping)
        except Exception:
            log.exception("worker_died", worker=worker.name)
        else:
            if not self._stopping.is_set():
                log.error("worker_stopped_early", worker=worker.name)
