"""A service as an ASGI application: its routes, its errors, and the life of its data stores and workers."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import structlog
from fastapi import FastAPI
from starlette.types import Scope

from chassis import auth, probes, problems
from chassis.middleware import INTERNAL_PATHS, BodyLimit, HeaderLimit, NulFilter, RequestContext
from chassis.service import Service
from chassis.settings import BadEnvironmentError, Settings
from chassis.workers import WorkerGroup

MAX_BODY_BYTES = 1024 * 1024
LEAST_WORKER_SECONDS = 0.5
"""What workers get to finish even when the requests in flight have used up the time to shut down."""

log = structlog.get_logger(__name__)


class _App(FastAPI):
    def openapi(self) -> dict[str, Any]:
        document = super().openapi()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas[problems.SCHEMA_NAME] = problems.SCHEMA
        return document


def create_app(service: Service, *, verifier: auth.Verifier | None = None) -> FastAPI:
    """The application of a service.

    verifier: for tests; without one it is made from the settings. Raises BadEnvironmentError when a route needs
    tokens and neither is there.
    """
    app = _App(
        title=service.title,
        summary=service.summary,
        version="1",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
        responses={"default": problems.described_problem("A problem.")},
        telemetry={
            "tracing": True,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
            "exclude": _is_internal,
        },
    )
    app.state.service = service
    app.state.workers = WorkerGroup(service.workers)
    app.state.stop_by = None
    for router in (probes.router, *service.routers):
        app.include_router(router)
    app.state.verifier = verifier or _verifier(app, service.settings)
    problems.install(app, service.errors)
    if service.database is not None:
        # Imported here: a service without a database does not pay for SQLAlchemy.
        from chassis import outages
        from chassis.engine import dialect_of

        outages.install(app, dialect_of(service.database.url))
    if service.table is not None:
        from chassis import table_outages

        table_outages.install(app)
    # The last one added is the outermost.
    app.add_middleware(NulFilter)
    app.add_middleware(BodyLimit, max_bytes=MAX_BODY_BYTES)
    app.add_middleware(HeaderLimit)
    app.add_middleware(RequestContext)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: Service = app.state.service
    workers: WorkerGroup = app.state.workers
    async with AsyncExitStack() as opened:
        for client in service.clients:
            opened.push_async_callback(client.close)
        for store in (service.database, service.table):
            if store is not None:
                await store.open()
                opened.push_async_callback(store.close)
        workers.start()
        log.info("service_started", workers=[worker.name for worker in service.workers])
        try:
            yield
        finally:
            await workers.stop(_worker_seconds(app))
            log.info("service_stopped")


def _worker_seconds(app: FastAPI) -> float:
    """What the requests in flight have left of the time to shut down, see server.Server."""
    service: Service = app.state.service
    stop_by: float | None = app.state.stop_by
    if stop_by is None:
        return service.settings.shutdown_seconds
    return max(stop_by - time.monotonic(), LEAST_WORKER_SECONDS)


def _is_internal(scope: Scope) -> bool:
    return scope.get("path") in INTERNAL_PATHS


def _verifier(app: FastAPI, settings: Settings) -> auth.Verifier | None:
    if settings.token_issuer is not None and settings.jwks_url is not None:
        return auth.TokenVerifier(
            issuer=settings.token_issuer, audience=settings.token_audience, jwks_url=settings.jwks_url
        )
    operations = ((path, operation) for path, item in app.openapi()["paths"].items() for operation in item.values())
    guarded = sorted({path for path, operation in operations if "security" in operation})
    if guarded:
        raise BadEnvironmentError(f"TOKEN_ISSUER: these routes need tokens: {', '.join(guarded)}")
    return None
