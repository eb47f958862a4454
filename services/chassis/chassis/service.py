"""What a service is made of, as data: bootstrap builds it, `create_app` and `run` make a process of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from fastapi import APIRouter

from chassis.settings import Settings

if TYPE_CHECKING:
    # A service pays for the import of what it has: of SQLAlchemy for a database, of none for a table.
    from chassis.database import Database
    from chassis.table import Table


class Worker(Protocol):
    """Work that goes on beside the requests: a relay, a consumer."""

    @property
    def name(self) -> str:
        """What the logs call it."""

    async def run(self, stopping: asyncio.Event) -> None:
        """Works until `stopping` is set, then finishes what it has and returns.

        To return earlier, or to raise, is to be dead: the process ends in order, with status 1, to be started again.
        """

    def healthy(self) -> bool:
        """False when only a restart would help. Must be quick: /livez asks it."""


class Client(Protocol):
    """What calls others: a ServiceClient, a GrpcClient, or an adapter around one."""

    async def close(self) -> None:
        """Gives up its connections."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service, ready to be served. The database, the table and the workers are not open yet.

    errors: a domain error -> (HTTP status, title of the problem); the exception's text is the problem's detail, so
        it must be fit for the caller's eyes. Subclasses of the error are covered too.
    clients: closed when everything else has stopped.
    migrations: the package with env.py and versions/, e.g. "orders.migrations".
    """

    settings: Settings
    title: str
    summary: str
    routers: Sequence[APIRouter]
    errors: Mapping[type[Exception], tuple[int, str]] = field(default_factory=dict)
    database: Database | None = None
    table: Table | None = None
    workers: Sequence[Worker] = ()
    clients: Sequence[Client] = ()
    migrations: str | None = None
