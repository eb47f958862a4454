"""What the platform asks a process. Not routed by the gateway."""

from __future__ import annotations

import structlog
from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import PlainTextResponse, Response

from chassis.problems import Problem
from chassis.service import Service

router = APIRouter(include_in_schema=False)
log = structlog.get_logger(__name__)


@router.get("/livez")
async def livez(request: Request) -> Response:
    """Fails when only a restart helps: a worker has died or hangs. Asks nothing outside of the process."""
    unhealthy = request.app.state.workers.unhealthy()
    if unhealthy:
        raise Problem(503, "Service Unavailable", f"Dead or stuck: {', '.join(unhealthy)}.")
    return PlainTextResponse("ok")


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """Fails while requests would fail too: the database or the table does not answer."""
    service: Service = request.app.state.service
    for store in (service.database, service.table):
        if store is None:
            continue
        try:
            await store.ping()
        except Exception as error:
            # Any driver, resolver or time-out error means the same here.
            log.warning("database_does_not_answer", reason=type(error).__name__)
            raise Problem(503, "Service Unavailable", "The database does not answer.") from None
    return PlainTextResponse("ok")


@router.get("/metrics")
async def metrics() -> Response:
    """The process's metrics in Prometheus' text format."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
