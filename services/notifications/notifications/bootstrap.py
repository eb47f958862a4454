"""Builds the service from its settings."""

from chassis.consumer import Consumer
from chassis.database import Database
from chassis.service import Service
from chassis.settings import BadEnvironmentError, Settings

from notifications import api, handlers
from notifications.domain import Kind


def service(settings: Settings) -> Service:
    """The service, not open yet. Raises BadEnvironmentError for what it cannot do without."""
    if settings.queue_url is None:
        raise BadEnvironmentError("QUEUE_URL: needed to receive events")
    database = Database.from_settings(settings)
    consumer = Consumer(
        database,
        settings.queue_url,
        handlers={kind.value: handlers.record for kind in Kind},
        visibility_seconds=settings.queue_visibility_seconds,
    )
    return Service(
        settings=settings,
        title="Notifications",
        summary="The activity log of a person.",
        routers=[api.router(database)],
        database=database,
        workers=[consumer],
        migrations="notifications.migrations",
    )
