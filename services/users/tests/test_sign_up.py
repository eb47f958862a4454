"""Signing up: one account for an address, whole or not at all."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
import pytest_asyncio
import sqlalchemy as sa
import structlog
from chassis import outbox
from chassis.app import create_app
from chassis.database import Database
from chassis.messages import Event
from users.bootstrap import UsersSettings
from users.tables import profiles

from .conftest import without_relay
from .people import OTHER_PASSWORD, PASSWORD, Person, Pool

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def stored(database: Database, email: str) -> list[str]:
    """The ids of the profiles with an address."""
    async with database.connection() as connection:
        return list(await connection.scalars(sa.select(profiles.c.id).where(profiles.c.email == email)))


async def published(database: Database, user_id: str) -> list[Event]:
    """What others are going to be told about a person, in order."""
    about = sa.select(outbox.table.c.body).where(outbox.table.c.aggregate_id == user_id)
    async with database.connection() as connection:
        bodies = await connection.scalars(about.order_by(outbox.table.c.position))
        return [Event.model_validate_json(body) for body in bodies]


async def test_a_new_person_has_a_profile_at_its_location_and_can_sign_in(ada: Person, pool: Pool) -> None:
    answer = await ada.sign_up(name="Ada Lovelace")

    assert answer.status_code == 201
    assert (answer.headers["Location"], answer.headers["ETag"]) == ("/users/me", '"1"')
    profile = answer.json()
    ada.hold_token(profile["id"])
    assert (await ada.read()).json() == profile
    assert profile.pop("created_at").endswith("Z")
    assert profile == {"id": pool.signs_in(ada.email), "email": ada.email, "name": "Ada Lovelace"}


async def test_others_are_told_of_a_new_person_once(ada: Person, database: Database) -> None:
    user_id = await ada.signed_up()
    await ada.sign_up()

    [event] = await published(database, user_id)
    assert (event.type, event.version, event.source) == ("user.created", 1, "users")
    assert (event.aggregate_id, event.sequence) == (user_id, 1)
    assert event.data == {"user_id": user_id, "email": ada.email, "name": "Ada"}


@pytest.mark.parametrize("spelling", [str, str.upper, str.title], ids=["as it was", "upper case", "mixed case"])
@pytest.mark.parametrize("password", [PASSWORD, OTHER_PASSWORD], ids=["its password", "another password"])
async def test_an_address_is_signed_up_once_in_whatever_letters(
    ada: Person, database: Database, pool: Pool, spelling: Any, password: str
) -> None:
    user_id = await ada.signed_up()

    answer = await ada.sign_up(email=spelling(ada.email), password=password)

    assert answer.status_code == 409
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank",
        "title": "E-mail address taken",
        "status": 409,
        "detail": "There is an account with this e-mail address.",
    }
    assert await stored(database, ada.email) == [user_id]
    assert pool.signs_in(ada.email) == user_id


async def test_of_two_strangers_at_once_one_gets_the_account_and_signs_in(
    ada: Person, database: Database, pool: Pool
) -> None:
    answers = await asyncio.gather(ada.sign_up(), ada.sign_up(password=OTHER_PASSWORD))

    assert sorted(answer.status_code for answer in answers) == [201, 409]
    owner = PASSWORD if answers[0].status_code == 201 else OTHER_PASSWORD
    assert await stored(database, ada.email) == [pool.signs_in(ada.email, owner)]


async def test_a_double_click_makes_one_account(ada: Person, database: Database, pool: Pool) -> None:
    answers = await asyncio.gather(ada.sign_up(), ada.sign_up())

    assert sorted(answer.status_code for answer in answers) == [201, 409]
    [user_id] = await stored(database, ada.email)
    assert user_id == pool.signs_in(ada.email)
    assert len(await published(database, user_id)) == 1


@pytest_asyncio.fixture(loop_scope="session")
async def full_disk(database: Database) -> Any:
    """Makes storing an event fail, as the last thing before the commit; returns what ends the trouble."""
    refuse = """
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'disk full'; END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON outbox EXECUTE FUNCTION refuse();
    """

    async def run(*statements: str) -> None:
        async with database.transaction() as tx:
            for statement in statements:
                await tx.execute(sa.text(statement))

    async def end() -> None:
        await run("DROP FUNCTION IF EXISTS refuse CASCADE")

    await run(*(statement for statement in refuse.splitlines() if statement.strip()))
    yield end
    await end()


async def test_after_a_crash_before_the_commit_the_same_sign_up_succeeds(
    ada: Person, database: Database, pool: Pool, full_disk: Any
) -> None:
    with structlog.testing.capture_logs():
        crashed = await ada.sign_up()
    assert crashed.status_code == 500
    assert await stored(database, ada.email) == []
    left_behind = pool.signs_in(ada.email)
    assert left_behind is not None

    await full_disk()

    assert (await ada.sign_up(password=OTHER_PASSWORD)).status_code == 409
    again = await ada.sign_up()
    assert (again.status_code, again.json()["id"]) == (201, left_behind)
    assert await stored(database, ada.email) == [left_behind]
    assert [event.type for event in await published(database, left_behind)] == ["user.created"]


async def test_a_password_against_the_rules_is_refused_with_the_rule(
    ada: Person, database: Database, pool: Pool
) -> None:
    answer = await ada.sign_up(password="correct-Horse-battery")

    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["title"] == "Sign-up refused"
    assert "Password must have numeric characters" in answer.json()["detail"]
    assert "correct-Horse" not in answer.text
    assert await stored(database, ada.email) == []
    assert pool.attributes(ada.email) is None


@pytest_asyncio.fixture(loop_scope="session")
async def http_during_an_outage(
    settings: UsersSettings, make_person: Callable[[str], Person], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[httpx.AsyncClient]:
    """The way to a service whose identity provider is out of reach."""
    await make_person("eve").signed_up()  # the shared service is connected now, and stays so
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    app = create_app(without_relay(settings))
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://users") as http,
    ):
        yield http


async def test_while_the_provider_is_out_nobody_signs_up_and_nothing_is_stored(
    ada: Person, http_during_an_outage: httpx.AsyncClient, database: Database
) -> None:
    answer = await replace(ada, http=http_during_an_outage).sign_up()

    assert answer.status_code == 503
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Retry-After"] == "5"
    assert answer.json()["title"] == "Sign-up unavailable"
    assert await stored(database, ada.email) == []


async def test_the_provider_is_not_asked_about_an_address_that_has_a_profile(
    ada: Person, http_during_an_outage: httpx.AsyncClient
) -> None:
    await ada.signed_up()

    assert (await replace(ada, http=http_during_an_outage).sign_up()).status_code == 409
