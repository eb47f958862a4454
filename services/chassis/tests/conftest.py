from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from chassis.database import Database

from services.chassis.tests.messaging import cleared
from tests.fixtures import FreshDatabase, Postgres, Queue


@pytest.fixture(scope="module")
def home(postgres: Postgres) -> Iterator[FreshDatabase]:
    """The database of a module: to make one takes longer than most tests."""
    with postgres.fresh_database() as home:
        yield home


@pytest.fixture
async def database(home: FreshDatabase) -> AsyncIterator[Database]:
    async with cleared(home) as database:
        yield database


@pytest.fixture
def topic(make_topic: Callable[..., str]) -> str:
    return make_topic()


@pytest.fixture
def queue(topic: str, make_queue: Callable[..., Queue]) -> Queue:
    return make_queue(topic, ["thing.done"], visibility_seconds=60)
