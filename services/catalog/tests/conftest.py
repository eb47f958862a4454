"""One migrated database for all tests of this service; a test has products of its own, so none sees another's."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from catalog.bootstrap import CatalogSettings
from chassis import migrations
from chassis.database import Database

from tests.fixtures import Postgres, service_settings
from tests.tokens import Issuer

from .shops import Shop, opened


@pytest.fixture(scope="session")
def settings(postgres: Postgres, tokens: Issuer) -> Iterator[CatalogSettings]:
    with postgres.fresh_database() as home:
        settings = CatalogSettings.model_validate(
            service_settings("catalog", home, tokens)
            | {
                "topic_arn": "arn:aws:sns:eu-central-1:000000000000:catalog",
                # Nobody is there: a test that wants an answer opens a shop.
                "inventory_url": "http://127.0.0.1:9",
                "pricing_url": "http://127.0.0.1:9",
            }
        )
        asyncio.run(migrations.upgrade(settings, "catalog.migrations"))
        yield settings


@pytest.fixture
async def shop(settings: CatalogSettings, tokens: Issuer) -> AsyncIterator[Shop]:
    async with opened(settings, tokens) as shop:
        yield shop


@pytest.fixture
async def observer(settings: CatalogSettings) -> AsyncIterator[Database]:
    """The same database by connections of its own, for a test that holds a lock or looks on."""
    observer = Database.from_settings(settings)
    await observer.open()
    yield observer
    await observer.close()
