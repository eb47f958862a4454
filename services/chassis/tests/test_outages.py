import pytest
import sqlalchemy as sa
from chassis.database import Database
from fastapi import APIRouter

from services.chassis.tests.applications import application, served
from services.chassis.tests.messaging import cleared, effects, unopened
from tests.fixtures import FreshDatabase, Postgres
from tests.mysql import Mysql


def routes(database: Database) -> APIRouter:
    router = APIRouter()

    @router.get("/rows")
    async def rows() -> int:
        async with database.connection() as connection:
            return len((await connection.execute(sa.select(effects))).all())

    @router.get("/wrong")
    async def wrong() -> None:
        async with database.connection() as connection:
            await connection.execute(sa.text("SELECT nonsense"))

    @router.post("/change")
    async def change() -> None:
        async with database.transaction() as tx:
            await tx.execute(effects.update().values(text="changed"))

    return router


async def test_a_connection_lost_in_the_middle_is_an_outage_and_a_bad_statement_is_not(
    server: Postgres | Mysql, home: FreshDatabase
) -> None:
    database = unopened(home, pool_size=1)
    router = routes(database)

    @router.get("/lost")
    async def lost() -> None:
        async with database.connection() as connection:
            await connection.execute(sa.text("SELECT 1"))
            server.shut(str(sa.make_url(home.url).database))
            server.reopen(str(sa.make_url(home.url).database))
            await connection.execute(sa.text("SELECT 1"))

    async with cleared(home), served(application(router, database=database)) as client:
        answers = [await client.get(path) for path in ("/lost", "/wrong", "/rows")]

    assert [answer.status_code for answer in answers] == [503, 500, 200]
    assert answers[0].headers["retry-after"] == "1"


async def test_who_cannot_get_a_lock_in_time_may_come_again(
    home: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.engine.LOCK_SECONDS", 1)
    database = unopened(home)
    async with cleared(home) as other, served(application(routes(database), database=database)) as client:
        async with other.transaction() as tx:
            await tx.execute(effects.insert(), {"text": "kept"})
        async with other.transaction() as tx:
            await tx.execute(effects.update().values(text="mine"))
            locked = await client.post("/change")
        free = await client.post("/change")

    assert (locked.status_code, free.status_code) == (503, 200)


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
async def test_a_server_that_is_not_there_is_an_outage(scheme: str, unused_tcp_port: int) -> None:
    database = Database(f"{scheme}://a@127.0.0.1:{unused_tcp_port}/a", password="a")
    async with served(application(routes(database), database=database)) as client:
        assert (await client.get("/rows")).status_code == 503
