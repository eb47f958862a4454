"""The use cases: each is one transaction, in which the profile and the event about it are stored together."""

from datetime import UTC, datetime

import structlog
from chassis import outbox
from chassis.database import Database
from chassis.messages import EventData
from pydantic import SecretStr
from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from users import domain
from users.domain import EmailTaken, Profile, ProfileMissing
from users.identities import Identities
from users.tables import profiles

_OF_ADDRESS = select(profiles.c.id).where(
    profiles.c.email == bindparam("wanted"), profiles.c.identity_lost_at.is_(None)
)

log = structlog.get_logger(__name__)


async def sign_up(database: Database, identities: Identities, *, email: str, password: SecretStr, name: str) -> Profile:
    """The profile of a new person, who can sign in when this returns.

    An address whose profile nobody can sign in to any more, because its identity is gone, is free again: who signs up
    with it is a new person (README.md says why). The old profile stays, without the address being taken by it.

    No transaction is open while the identity provider is asked: a slow provider must not use up the connections.
    A crash after it has answered leaves an identity without a profile, which the next attempt completes.

    Raises EmailTaken, and what Identities.exists and Identities.claim raise.
    """
    async with database.connection() as connection:
        known_id = await connection.scalar(_OF_ADDRESS, {"wanted": email})
    if known_id is not None and await identities.exists(known_id):
        raise EmailTaken
    user_id = await identities.claim(email, password)
    profile, created = domain.create(user_id, email, name, datetime.now(UTC))
    async with database.transaction() as tx:
        if known_id is not None:
            lost = update(profiles).where(profiles.c.id == known_id)
            await tx.execute(lost.values(identity_lost_at=profile.created_at))
        row = insert(profiles).values(profile.model_dump()).on_conflict_do_nothing().returning(profiles.c.id)
        if await tx.scalar(row) is None:
            raise EmailTaken
        await _publish(tx, profile, created)
    if known_id is not None:
        log.warning("identity_was_lost", lost_id=known_id, new_id=user_id)
    return profile


async def find(database: Database, user_id: str) -> Profile:
    """Raises ProfileMissing."""
    async with database.connection() as connection:
        row = (await connection.execute(select(profiles).where(profiles.c.id == user_id))).one_or_none()
    if row is None:
        raise ProfileMissing
    return Profile.model_validate(row._mapping)


async def rename(database: Database, user_id: str, name: str, expected_version: int) -> Profile:
    """Raises ProfileMissing, and ProfileChanged when the profile is not the expected version any more."""
    async with database.transaction() as tx:
        locked = select(profiles).where(profiles.c.id == user_id).with_for_update()
        row = (await tx.execute(locked)).one_or_none()
        if row is None:
            raise ProfileMissing
        profile, updated = domain.rename(Profile.model_validate(row._mapping), name, expected_version)
        change = update(profiles).where(profiles.c.id == user_id)
        await tx.execute(change.values(name=profile.name, version=profile.version))
        await _publish(tx, profile, updated)
    return profile


async def _publish(tx: AsyncConnection, profile: Profile, change: EventData) -> None:
    await outbox.publish(tx, change.event(source="users", aggregate_id=profile.id, sequence=profile.version))
