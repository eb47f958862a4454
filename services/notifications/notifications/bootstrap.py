"""Puts the service together from its settings. Nothing is connected yet."""

from chassis.consumer import Consumer
from chassis.service import Service
from chassis.settings import HttpUrl, Settings, TableName
from chassis.table import Table
from chassis.table_inbox import TableInbox
from pydantic import Field

from notifications import api
from notifications.handlers import reads
from notifications.senders import LogSender, Sender
from notifications.subscriptions import HANDLERS
from notifications.workers import Dispatcher


class NotificationsSettings(Settings):
    """The environment of this service, which cannot be without a table and a queue."""

    table_name: TableName = Field(examples=["notifications"])
    queue_url: HttpUrl = Field(examples=["https://localhost/000000000000/notifications"])


def service(settings: NotificationsSettings, sender: Sender | None = None) -> Service:
    """sender: a LogSender when there is no other."""
    table = Table.from_settings(settings)
    consumer = Consumer(TableInbox(table, reads), settings.queue_url, HANDLERS, settings.queue_visibility_seconds)
    return Service(
        settings=settings,
        title="Notifications",
        summary="The activity log of a person.",
        routers=[api.router(table)],
        table=table,
        workers=[consumer, Dispatcher(table, sender or LogSender())],
    )
