"""One migrated database for all tests of this service, empty at the start of each."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from chassis import migrations
from chassis.database import Database
from payments.bootstrap import PaymentsSettings

from tests.fixtures import Postgres, service_settings
from tests.tokens import Issuer

from .shop import Shop, emptied


@pytest.fixture(scope="session")
def settings(postgres: Postgres, tokens: Issuer) -> Iterator[PaymentsSettings]:
    with postgres.fresh_database() as home:
        settings = PaymentsSettings.model_validate(
            service_settings("payments", home, tokens)
            | {
                "topic_arn": "arn:aws:sns:eu-central-1:000000000000:payments",
                "queue_url": "http://127.0.0.1/000000000000/payments",
                "fake_provider_latency_seconds": 0,
            }
        )
        asyncio.run(migrations.upgrade(settings, "payments.migrations"))
        yield settings


@pytest.fixture
async def database(settings: PaymentsSettings) -> AsyncIterator[Database]:
    database = Database.from_settings(settings)
    await database.open()
    await emptied(database)
    yield database
    await database.close()


@pytest.fixture
async def shop(database: Database, settings: PaymentsSettings) -> AsyncIterator[Shop]:
    shop = Shop(database, Database.from_settings(settings))
    yield shop
    await shop.fake.close()
