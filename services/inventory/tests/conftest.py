"""A migrated database of each engine for all tests of this service; each test begins with empty tables."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from chassis import migrations
from chassis.app import create_app
from chassis.database import Database
from fastapi import FastAPI
from inventory.bootstrap import InventorySettings, service
from inventory.tables import metadata

from tests.fixtures import service_settings
from tests.tokens import Issuer

from .warehouse import STAFF, Warehouse


@pytest.fixture(scope="session", params=["postgres", "mysql"])
def settings(request: pytest.FixtureRequest, tokens: Issuer) -> Iterator[InventorySettings]:
    server = request.getfixturevalue(request.param)
    with server.fresh_database() as home:
        settings = InventorySettings.model_validate(
            service_settings("inventory", home, tokens)
            | {
                "topic_arn": "arn:aws:sns:eu-central-1:000000000000:inventory",
                "queue_url": "http://127.0.0.1/000000000000/inventory",
            }
        )
        asyncio.run(migrations.upgrade(settings, "inventory.migrations"))
        yield settings


@pytest.fixture
async def app(settings: InventorySettings) -> AsyncIterator[FastAPI]:
    """The service without its workers: what it puts into the outbox stays there to be looked at."""
    app = create_app(replace(service(settings), workers=()))
    async with app.router.lifespan_context(app):
        database: Database = app.state.service.database
        async with database.transaction() as tx:
            for table in metadata.sorted_tables:
                await tx.execute(table.delete())
        yield app


@pytest.fixture
def database(app: FastAPI) -> Database:
    found: Database = app.state.service.database
    return found


@pytest.fixture
def warehouse(database: Database) -> Warehouse:
    return Warehouse(database)


@pytest.fixture
async def make_database(
    settings: InventorySettings, database: Database
) -> AsyncIterator[Callable[[], Awaitable[Database]]]:
    """Opens the same database once more, with a pool of its own, as another process of the service has it."""
    opened: list[Database] = []

    async def make() -> Database:
        other = Database.from_settings(settings)
        await other.open()
        opened.append(other)
        return other

    yield make
    for other in opened:
        await other.close()


@pytest.fixture
async def make_client(app: FastAPI, tokens: Issuer) -> AsyncIterator[Callable[..., httpx.AsyncClient]]:
    clients: list[httpx.AsyncClient] = []

    def make(*scopes: str, **claims: Any) -> httpx.AsyncClient:
        token = tokens.token("sam", scopes, **claims)
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app),
            base_url="http://inventory",
            headers={"Authorization": f"Bearer {token}"},
        )
        clients.append(client)
        return client

    yield make
    for client in clients:
        await client.aclose()


@pytest.fixture
def staff(make_client: Callable[..., httpx.AsyncClient]) -> httpx.AsyncClient:
    """One of those who run the shop."""
    return make_client("inventory/read", "inventory/write", **STAFF)
