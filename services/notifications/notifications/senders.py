"""How a notification leaves the shop: a port, and what stands behind it."""

from typing import Protocol

import structlog

from notifications.domain import Entry

log = structlog.get_logger(__name__)


class Sender(Protocol):
    """Brings a notification to its person, by e-mail for example."""

    async def send(self, entry: Entry) -> None:
        """Returns when it is handed over; raises when it is not, or perhaps not, and is asked again later.

        Called at least once for each entry, and again after a crash or a failure: pass `entry.id` on where the channel
        can tell a repetition by a key.
        """


class LogSender:
    """Sends to nobody: writes a line without personal data. Until there is a channel."""

    async def send(self, entry: Entry) -> None:
        log.info("notification_sent", notification_id=str(entry.id), kind=entry.kind)
