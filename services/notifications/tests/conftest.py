"""One migrated database for all tests of this service; a test has people of its own, so none sees another's."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from chassis import migrations
from chassis.app import create_app
from chassis.database import Database
from chassis.settings import Settings
from fastapi import FastAPI
from notifications.bootstrap import service

from tests.fixtures import Postgres, service_settings
from tests.tokens import Issuer

from .people import Person


@pytest.fixture(scope="session")
def settings(postgres: Postgres, tokens: Issuer) -> Iterator[Settings]:
    with postgres.fresh_database() as home:
        settings = Settings.model_validate(
            service_settings("notifications", home, tokens)
            | {"queue_url": "http://127.0.0.1/000000000000/notifications"}
        )
        asyncio.run(migrations.upgrade(settings, "notifications.migrations"))
        yield settings


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def app(settings: Settings) -> AsyncIterator[FastAPI]:
    """The service without its consumer: the tests hand it its events themselves."""
    app = create_app(replace(service(settings), workers=()))
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
def database(app: FastAPI) -> Database:
    found: Database = app.state.service.database
    return found


@pytest_asyncio.fixture(loop_scope="session")
async def make_person(app: FastAPI, tokens: Issuer) -> AsyncIterator[Callable[..., Person]]:
    async with AsyncExitStack() as exits:

        def make(name: str, *scopes: str) -> Person:
            subject = f"{name}-{uuid4()}"
            token = tokens.token(subject, scopes or ("notifications/read",))
            client = httpx.AsyncClient(
                transport=httpx.ASGITransport(app=app),
                base_url="http://notifications",
                headers={"Authorization": f"Bearer {token}"},
            )
            exits.push_async_callback(client.aclose)
            return Person(subject, client)

        yield make


@pytest.fixture
def ada(make_person: Callable[..., Person]) -> Person:
    return make_person("ada")


@pytest.fixture
def bob(make_person: Callable[..., Person]) -> Person:
    return make_person("bob")
