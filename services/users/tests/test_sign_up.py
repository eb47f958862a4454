"""Signing up: one account for an address, whole or not at all."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
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


@asynccontextmanager
async def full_disk(database: Database) -> AsyncIterator[None]:
    """Makes storing an event fail, as the last thing before the commit."""

    async def execute(*statements: str) -> None:
        async with database.transaction() as tx:
            for statement in statements:
                await tx.execute(sa.text(statement))

    await execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'disk full'; END $$",
        "CREATE TRIGGER refuse BEFORE INSERT ON outbox EXECUTE FUNCTION refuse()",
    )
    try:
        yield
    finally:
        await execute("DROP FUNCTION refuse CASCADE")


async def test_after_a_crash_before_the_commit_the_same_sign_up_succeeds(
    ada: Person, database: Database, pool: Pool
) -> None:
    async with full_disk(database):
        with structlog.testing.capture_logs():
            crashed = await ada.sign_up()
    assert crashed.status_code == 500
    assert await stored(database, ada.email) == []
    left_behind = pool.signs_in(ada.email)
    assert left_behind is not None

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


async def test_while_the_provider_is_out_an_address_that_is_taken_looks_like_any_other(
    ada: Person, http_during_an_outage: httpx.AsyncClient
) -> None:
    await ada.signed_up()

    assert (await replace(ada, http=http_during_an_outage).sign_up()).status_code == 503


@pytest.mark.parametrize("password", [PASSWORD, OTHER_PASSWORD], ids=["the same password", "another password"])
async def test_an_address_whose_identity_is_lost_can_be_signed_up_again_by_a_new_person(
    ada: Person, database: Database, pool: Pool, password: str
) -> None:
    lost_id = await ada.signed_up()
    pool.lose(lost_id)

    answer = await ada.sign_up(password=password, name="Ada the second")

    new_id = answer.json()["id"]
    assert answer.status_code == 201, answer.text
    assert pool.signs_in(ada.email, password) == new_id != lost_id
    assert set(await stored(database, ada.email)) == {lost_id, new_id}
    assert [event.type for event in await published(database, new_id)] == ["user.created"]
    assert (await ada.sign_up(password=password)).status_code == 409


async def test_a_new_person_with_the_address_of_a_lost_identity_sees_nothing_of_the_old_one(
    ada: Person, pool: Pool
) -> None:
    lost_id = await ada.signed_up()
    pool.lose(lost_id)

    answer = await ada.sign_up(password=OTHER_PASSWORD, name="Eve")

    ada.hold_token(answer.json()["id"])
    assert (await ada.read()).json() == answer.json()
    assert answer.json()["name"] == "Eve"


async def test_of_several_who_come_for_the_address_of_a_lost_identity_one_gets_it(
    ada: Person, database: Database, pool: Pool
) -> None:
    lost_id = await ada.signed_up()
    pool.lose(lost_id)
    passwords = [PASSWORD, PASSWORD, OTHER_PASSWORD, OTHER_PASSWORD]

    answers = await asyncio.gather(*(ada.sign_up(password=password) for password in passwords))

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    [winner] = [at for at, answer in enumerate(answers) if answer.status_code == 201]
    assert pool.signs_in(ada.email, passwords[winner]) == answers[winner].json()["id"]
    assert set(await stored(database, ada.email)) == {lost_id, answers[winner].json()["id"]}


async def test_an_identity_can_be_lost_again(ada: Person, pool: Pool) -> None:
    for _ in range(3):
        pool.lose(await ada.signed_up())

    assert (await ada.sign_up()).status_code == 201


async def test_a_crash_while_a_lost_identity_is_replaced_is_made_good_by_the_next_attempt(
    ada: Person, database: Database, pool: Pool
) -> None:
    lost_id = await ada.signed_up()
    pool.lose(lost_id)
    async with full_disk(database):
        with structlog.testing.capture_logs():
            assert (await ada.sign_up()).status_code == 500
    left_behind = pool.signs_in(ada.email)

    assert (await ada.sign_up(password=OTHER_PASSWORD)).status_code == 409
    assert (await ada.sign_up()).json()["id"] == left_behind != lost_id


@pytest.mark.parametrize("state", ["disabled", "reset by an administrator", "waiting for a new password"])
async def test_an_identity_that_exists_is_not_lost_whatever_its_state(
    ada: Person, database: Database, pool: Pool, state: str
) -> None:
    user_id = await ada.signed_up()
    match state:
        case "disabled":
            pool.cognito.admin_disable_user(UserPoolId=pool.id, Username=user_id)
        case "reset by an administrator":
            pool.cognito.admin_reset_user_password(UserPoolId=pool.id, Username=user_id)
        case _:
            pool.cognito.admin_set_user_password(
                UserPoolId=pool.id, Username=user_id, Password=PASSWORD, Permanent=False
            )

    def identity() -> Any:
        found = pool.cognito.admin_get_user(UserPoolId=pool.id, Username=user_id)
        return found["Enabled"], found["UserStatus"], found["UserLastModifiedDate"]

    before = identity()
    for password in (PASSWORD, OTHER_PASSWORD):
        assert (await ada.sign_up(password=password)).status_code == 409
    assert identity() == before
    assert await stored(database, ada.email) == [user_id]
