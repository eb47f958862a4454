"""One table for all tests of this service; a test has people of its own, so none sees another's."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from chassis.app import create_app
from chassis.table import Table
from fastapi import FastAPI
from notifications.bootstrap import NotificationsSettings, service

from tests.fixtures import Emulator
from tests.tables import fresh_table
from tests.tokens import Issuer

from .people import Person


@pytest.fixture(scope="session")
def settings(emulator: Emulator, tokens: Issuer) -> Iterator[NotificationsSettings]:
    with fresh_table(emulator) as name:
        yield settings_of(name, tokens)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def app(settings: NotificationsSettings) -> AsyncIterator[FastAPI]:
    """The service without its workers: the tests hand it its events themselves."""
    app = create_app(replace(service(settings), workers=()))
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
def table(app: FastAPI) -> Table:
    found: Table = app.state.service.table
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


@pytest.fixture
def own_settings(emulator: Emulator, tokens: Issuer) -> Iterator[NotificationsSettings]:
    """With a table of the test's own."""
    with fresh_table(emulator) as name:
        yield settings_of(name, tokens)


@pytest.fixture
async def own_table(own_settings: NotificationsSettings) -> AsyncIterator[Table]:
    table = Table(own_settings.table_name)
    await table.open()
    yield table
    await table.close()


def settings_of(table_name: str, tokens: Issuer) -> NotificationsSettings:
    return NotificationsSettings(
        service_name="notifications",
        service_version="test",
        environment="local",
        table_name=table_name,
        queue_url="http://127.0.0.1/000000000000/notifications",
        token_issuer=tokens.issuer,
        token_audience=frozenset({tokens.audience}),
        token_jwks_url=tokens.jwks_url,
    )
