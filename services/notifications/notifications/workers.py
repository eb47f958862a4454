"""The dispatcher: sends what was written into the log."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import structlog
from chassis.aws import AWS_ERRORS
from chassis.pacing import Heartbeat, exponential_backoff, pause, with_jitter
from chassis.table import MAX_WRITES, ConflictError, Table
from prometheus_client import Counter

from notifications import store
from notifications.senders import Sender
from notifications.store import Unsent

MAX_BATCH = MAX_WRITES // 2
"""To claim one takes two writes of a transaction."""
POLL_SECONDS = 1.0
SEND_SECONDS = 20
RETRY_SECONDS = 60
"""After how long an attempt that did not succeed is repeated, doubled each time. Longer than SEND_SECONDS: while one
process still sends, no other finds it due."""
RETRY_MAX_SECONDS = 900
BACKOFF_MAX_SECONDS = 10.0
STUCK_SECONDS = 120.0
"""More than one round can take when each of its calls runs into its time-out."""

log = structlog.get_logger(__name__)
SENT = Counter("notifications_sent_total", "Attempts to send a notification, by their outcome.", ["outcome"])


class Dispatcher:
    """Hands each unsent entry to the sender at least once, within store.SENT_WITHIN. Any number may run.

    An entry is sent twice only when a process dies, or loses the table, between sending and recording it.
    """

    name = "dispatcher"

    def __init__(self, table: Table, sender: Sender) -> None:
        self._table = table
        self._sender = sender
        self._heartbeat = Heartbeat(STUCK_SECONDS)

    def healthy(self) -> bool:
        return self._heartbeat.alive()

    async def run(self, stopping: asyncio.Event) -> None:
        failures = 0
        while not stopping.is_set():
            self._heartbeat.beat()
            try:
                attempts = await self.run_once(datetime.now(UTC))
            except (*AWS_ERRORS, ConflictError) as error:
                failures += 1
                log.warning("dispatching_failed", reason=type(error).__name__, failures=failures)
                seconds = exponential_backoff(failures, first_seconds=POLL_SECONDS, max_seconds=BACKOFF_MAX_SECONDS)
                await pause(stopping, with_jitter(seconds))
                continue
            failures = 0
            if attempts == 0:
                await pause(stopping, POLL_SECONDS)

    async def run_once(self, now: datetime) -> int:
        """Tries to send up to MAX_BATCH of what is due; how many attempts it made.

        Raises one of AWS_ERRORS when the table does not answer, after the other attempts have come to their ends.
        """
        due = await store.due(self._table, now, MAX_BATCH)
        claimed = await self._claim(due, now)
        failure: Exception | None = None
        async with asyncio.TaskGroup() as group:
            sending = {group.create_task(self._send(each)) for each in claimed}
            while sending:
                # Those that are sent together are noted together, and wait for no slower one.
                ended, sending = await asyncio.wait(sending, return_when=asyncio.FIRST_COMPLETED)
                try:
                    await store.delete_sent(self._table, [unsent for task in ended if (unsent := task.result())])
                except (*AWS_ERRORS, ConflictError) as error:
                    failure = error
        if failure:
            raise failure
        return len(claimed)

    async def _claim(self, due: Sequence[Unsent], now: datetime) -> list[Unsent]:
        """Claims all of them, or those that no other process has; none while another one is just claiming them."""
        each_until = [(unsent, now + timedelta(seconds=_pause_seconds(unsent))) for unsent in due]
        try:
            return await store.claim(self._table, each_until)
        except ConflictError as conflict:
            left = [unsent for unsent in due if unsent.key not in conflict.refused]
        return await self._claim(left, now) if len(left) < len(due) else []

    async def _send(self, claimed: Unsent) -> Unsent | None:
        """Sends it; returns it on success, else None."""
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._sender.send(claimed.entry)
        except Exception as error:
            # Any channel's error means the same here. Its text is not logged: it may name the receiver.
            SENT.labels("failed").inc()
            log.error(
                "notification_not_sent",
                notification_id=str(claimed.entry.id),
                attempts=claimed.attempts,
                reason=type(error).__name__,
            )
            return None
        SENT.labels("sent").inc()
        return claimed


def _pause_seconds(unsent: Unsent) -> float:
    return exponential_backoff(unsent.attempts + 1, first_seconds=RETRY_SECONDS, max_seconds=RETRY_MAX_SECONDS)
