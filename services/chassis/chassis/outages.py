"""A database that is out of reach is an outage and no bug: the caller is answered 503 and may come back."""

from __future__ import annotations

import asyncpg
import structlog
from fastapi import FastAPI, Request
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.responses import Response

from chassis.problems import Problem

RETRY_AFTER_SECONDS = 1

# What asyncpg says while it connects comes as it is; later SQLAlchemy wraps it and knows a lost connection.
_CONNECTING = (
    OSError,
    asyncpg.CannotConnectNowError,
    asyncpg.PostgresConnectionError,
    asyncpg.TooManyConnectionsError,
)

log = structlog.get_logger(__name__)


def install(app: FastAPI) -> None:
    """Answers 503 while the database cannot be reached, or has no connection free in time."""
    for error in (*_CONNECTING, DBAPIError, PoolTimeoutError):
        app.add_exception_handler(error, _answer)


async def _answer(_request: Request, error: Exception) -> Response:
    if isinstance(error, DBAPIError) and not error.connection_invalidated:
        raise error
    log.warning("database_unavailable", reason=type(error).__name__)
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return Problem(503, "Service Unavailable", "The database is out of reach.", headers=headers).response()
