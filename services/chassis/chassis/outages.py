"""A database that is out of reach is an outage and not a bug: the caller is answered 503, and may retry."""

from __future__ import annotations

import structlog
from fastapi import FastAPI, Request
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.responses import Response

from chassis.dialects import Dialect
from chassis.problems import Problem

RETRY_AFTER_SECONDS = 1

log = structlog.get_logger(__name__)


def install(app: FastAPI, dialect: Dialect) -> None:
    """Answers 503 while the database cannot be reached, or has no connection or no lock to give in time."""

    async def answer(_request: Request, error: Exception) -> Response:
        if isinstance(error, DBAPIError) and not dialect.is_transient(error):
            raise error
        return _unavailable(error)

    errors: tuple[type[Exception], ...] = (OSError, *dialect.connect_errors, DBAPIError, PoolTimeoutError)
    for error in errors:
        app.add_exception_handler(error, answer)


def _unavailable(error: Exception) -> Response:
    log.warning("database_unavailable", reason=type(error).__name__)
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return Problem(503, "Service Unavailable", "The database is out of reach.", headers=headers).response()
