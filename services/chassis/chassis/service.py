"""What a service is made of, as data: bootstrap builds it, `create_app` and `run` make a process of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from fastapi import APIRouter

from chassis.settings import Settings

if TYPE_CHECKING:
    # A service without a database or calls does not pay for the import of SQLAlchemy or httpx.
    from chassis.client import ServiceClient
    from chassis.database import Database


class Worker(Protocol):
    """Work that goes on beside the requests: a relay, a consumer."""

    @property
    def name(self) -> str:
        """What the logs call it."""

    async def run(self, stopping: asyncio.Event) -> None:
        """Works until `stopping` is set, then finishes what it has and returns.

        To return earlier, or to raise, is to be dead: /livez fails and the process is restarted from outside.
        """

    def healthy(self) -> bool:
        """False when only a restart would help. Must be quick: /livez asks it."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service, ready to be served. The database and the workers are not open yet.

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
    workers: Sequence[Worker] = ()
    clients: Sequence[ServiceClient] = ()
    migrations: str | None = None
