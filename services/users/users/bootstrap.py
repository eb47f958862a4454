"""Builds the service from its settings."""

from chassis.database import Database
from chassis.outbox import Relay
from chassis.service import Service
from chassis.settings import BadEnvironmentError, Settings
from pydantic import Field

from users import api
from users.identities import CognitoIdentities


class UsersSettings(Settings):
    """The environment of this service: what every service has, and the user pool that it fills."""

    user_pool_id: str = Field(examples=["us-east-1_pool"])


def service(settings: UsersSettings) -> Service:
    """The service, not open yet. Raises BadEnvironmentError for what it cannot do without."""
    if settings.topic_arn is None:
        raise BadEnvironmentError("TOPIC_ARN: needed to publish events")
    if len(settings.token_audience) != 1:
        raise BadEnvironmentError("TOKEN_AUDIENCE: one client, and no more, is needed to check passwords through")
    (client_id,) = settings.token_audience
    database = Database.from_settings(settings)
    identities = CognitoIdentities(pool_id=settings.user_pool_id, client_id=client_id)
    return Service(
        settings=settings,
        title="Users",
        summary="Sign-up and profiles.",
        routers=[api.router(database, identities)],
        errors=api.ERRORS,
        database=database,
        workers=[Relay(database, settings.topic_arn), identities],
        migrations="users.migrations",
    )
