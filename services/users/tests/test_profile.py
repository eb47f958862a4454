"""Reading and changing one's own profile."""

import asyncio

import pytest
import sqlalchemy as sa
from chassis.database import Database
from users.tables import profiles

from tests.fixtures import eventually

from .people import Person
from .test_sign_up import published

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_person_reads_their_own_profile_and_no_other(ada: Person, bob: Person) -> None:
    ada_id, bob_id = await ada.signed_up(), await bob.signed_up()

    assert (await ada.read()).json()["id"] == ada_id
    assert (await bob.read()).json()["id"] == bob_id


async def test_a_change_makes_the_next_version_and_is_told_to_others(ada: Person, database: Database) -> None:
    user_id = await ada.signed_up()
    etag = (await ada.read()).headers["ETag"]

    answer = await ada.change(etag, name="Ada King")

    assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
    assert (await ada.read()).json() == answer.json()
    assert answer.json()["name"] == "Ada King"
    event = (await published(database, user_id))[-1]
    assert (event.type, event.sequence, event.data) == ("user.updated", 2, {"user_id": user_id, "name": "Ada King"})


async def test_a_change_of_one_person_leaves_the_others(ada: Person, bob: Person) -> None:
    await ada.signed_up()
    await bob.signed_up()

    await ada.change(name="Ada King")

    assert (await bob.read()).json()["name"] == "Ada"


@pytest.mark.parametrize("if_match", ['"0"', '"2"', "1", "*", 'W/"1"', '"1", "2"', '"1234567890"', ""])
async def test_a_change_of_another_version_is_refused(ada: Person, database: Database, if_match: str) -> None:
    user_id = await ada.signed_up()

    answer = await ada.change(if_match, name="Ada King")

    assert (answer.status_code, answer.json()["title"]) == (412, "Profile changed")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (await ada.read()).json()["name"] == "Ada"
    assert len(await published(database, user_id)) == 1


async def test_a_change_of_no_version_in_particular_is_refused(ada: Person) -> None:
    await ada.signed_up()

    answer = await ada.change(None, name="Ada King")

    assert (answer.status_code, answer.json()["title"]) == (428, "Precondition Required")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (await ada.read()).json()["name"] == "Ada"


async def test_a_change_waits_for_the_one_before_and_then_is_refused(ada: Person, database: Database) -> None:
    user_id = await ada.signed_up()
    hers = profiles.c.id == user_id

    async def waits() -> bool:
        async with database.connection() as connection:
            locked = await connection.scalar(sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted"))
            return bool(locked)

    async with database.transaction() as earlier:
        await earlier.execute(sa.update(profiles).where(hers).values(name="Ada King", version=2))
        later = asyncio.create_task(ada.change('"1"', name="Ada Byron"))
        await eventually(waits)

    assert (await later).status_code == 412
    assert (await ada.read()).json()["name"] == "Ada King"


async def test_who_never_completed_the_sign_up_has_no_profile(ada: Person) -> None:
    ada.hold_token("somebody-without-a-profile")

    for answer in (await ada.read(), await ada.change(name="Ada King")):
        assert (answer.status_code, answer.json()["title"]) == (404, "No profile")
        assert answer.headers["Content-Type"] == "application/problem+json"
