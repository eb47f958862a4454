"""Small applications on the chassis, for its tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from chassis.app import create_app
from chassis.auth import TokenVerifier, Verifier
from chassis.service import Service
from chassis.settings import Settings
from fastapi import APIRouter, FastAPI

from tests.tokens import Issuer


def settings(**given: Any) -> Settings:
    return Settings(service_name="tiny", service_version="1", environment="local", **given)


def application(router: APIRouter | None = None, *, verifier: Verifier | None = None, **given: Any) -> FastAPI:
    """An application of one router; what else is given goes to Service."""
    parts: dict[str, Any] = {
        "settings": settings(),
        "title": "Tiny",
        "summary": "A test's.",
        "routers": [router or APIRouter()],
    }
    return create_app(Service(**(parts | given)), verifier=verifier)


def verifier_of(tokens: Issuer) -> TokenVerifier:
    return TokenVerifier(issuer=tokens.issuer, audience={tokens.audience}, jwks_url=tokens.jwks_url)


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application, which lives as long as the block."""
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://tiny") as client,
    ):
        yield client
