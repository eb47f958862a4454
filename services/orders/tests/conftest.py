"""One migrated database for all tests of this service; a test has customers of its own, so none sees another's."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from uuid import uuid4

import chassis.engine
import httpx
import pytest
from chassis import migrations
from chassis.app import create_app
from chassis.database import Database
from fastapi import FastAPI
from orders.bootstrap import OrdersSettings, service

from tests.fixtures import Postgres, service_settings
from tests.tokens import Issuer

from .customers import Customer
from .others import Promotions, deliver, product

NOWHERE = {
    "topic_arn": "arn:aws:sns:eu-central-1:000000000000:orders",
    "queue_url": "http://127.0.0.1:1/000000000000/orders",
    "pricing_url": "http://127.0.0.1:1",
}
SOLD = [product("TEA", "Green tea", 250), product("CUP", "Cup", 900)]


@pytest.fixture(scope="session")
def settings(postgres: Postgres, tokens: Issuer) -> Iterator[OrdersSettings]:
    """Of a database with the tables, where TEA is sold for 2.50 EUR and CUP for 9.00 EUR."""

    async def sell(settings: OrdersSettings) -> None:
        database = Database.from_settings(settings)
        await database.open()
        await deliver(database, *SOLD)
        await database.close()

    with postgres.fresh_database() as home:
        settings = OrdersSettings.model_validate(service_settings("orders", home, tokens) | NOWHERE)
        asyncio.run(migrations.upgrade(settings, "orders.migrations"))
        asyncio.run(sell(settings))
        yield settings


@pytest.fixture
def promotions() -> Promotions:
    """In place of the pricing service; without discounts unless the test gives some."""
    return Promotions()


@pytest.fixture
def lock_seconds() -> float:
    """Long: a test that holds a lock may be slow."""
    return 30


@pytest.fixture
async def app(
    settings: OrdersSettings, promotions: Promotions, lock_seconds: float, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[FastAPI]:
    """The service without its workers: what it puts into the outbox stays there to be looked at."""
    monkeypatch.setattr(chassis.engine, "LOCK_SECONDS", lock_seconds)
    app = create_app(replace(service(settings, prices=promotions), workers=()))
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
def database(app: FastAPI) -> Database:
    found: Database = app.state.service.database
    return found


@pytest.fixture
async def observer(settings: OrdersSettings) -> AsyncIterator[Database]:
    """The same database by connections of its own, for a test that holds a lock or looks on."""
    observer = Database.from_settings(settings)
    await observer.open()
    yield observer
    await observer.close()


@pytest.fixture
async def make_customer(app: FastAPI, tokens: Issuer) -> AsyncIterator[Callable[..., Customer]]:
    clients: list[httpx.AsyncClient] = []

    def make(name: str = "ada", *scopes: str) -> Customer:
        subject = f"{name}-{uuid4()}"
        token = tokens.token(subject, scopes or ("orders/read", "orders/write"))
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app),
            base_url="http://orders",
            headers={"Authorization": f"Bearer {token}"},
        )
        clients.append(client)
        return Customer(subject, client)

    yield make
    for client in clients:
        await client.aclose()


@pytest.fixture
def ada(make_customer: Callable[..., Customer]) -> Customer:
    return make_customer("ada")


@pytest.fixture
def bob(make_customer: Callable[..., Customer]) -> Customer:
    return make_customer("bob")
