from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from chassis.database import Database
from chassis.table import Table

from services.chassis.tests.items import opened
from services.chassis.tests.messaging import cleared
from tests.fixtures import Emulator, FreshDatabase, Postgres, Queue
from tests.mysql import Mysql
from tests.tables import fresh_table


@pytest.fixture(scope="module", params=["postgres", "mysql"])
def server(request: pytest.FixtureRequest) -> Postgres | Mysql:
    """Either kind; what uses it runs on both."""
    found: Postgres | Mysql = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def home(server: Postgres | Mysql) -> Iterator[FreshDatabase]:
    """The database of a module: to make one takes longer than most tests."""
    with server.fresh_database() as home:
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


@pytest.fixture
async def table(emulator: Emulator) -> AsyncIterator[Table]:
    """An empty one, open."""
    with fresh_table(emulator) as name:
        async with opened(name) as table:
            yield table
