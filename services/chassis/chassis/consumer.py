"""Handles the events of one queue: the effects of each exactly once, and never half."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Literal

import structlog
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import Counter, Histogram
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection
from structlog.contextvars import bound_contextvars

from chassis import aws, inbox
from chassis.aws import AWS_ERRORS
from chassis.database import DATABASE_ERRORS, Database
from chassis.in_hand import InHand
from chassis.messages import TRACEPARENT_ATTRIBUTE, Event
from chassis.pacing import Heartbeat, growing, jittered, pause
from chassis.queue import BATCH_ENTRIES, Message, Queue

Handler = Callable[[AsyncConnection, Event], Awaitable[None]]
"""Does what an event asks for, in the given transaction. Whatever it raises rolls all of it back."""

POLL_SECONDS = 20
LAST_POLL_SECONDS = 0.3
"""How long a stop waits for the answer to a poll that may be on its way: messages in it would stay hidden."""
SPARE_CONNECTIONS = 2
HANDLER_SECONDS = 60
"""A handler that takes longer hangs, or should not be one transaction."""
RETRY_MOST_SECONDS = 900
BACKOFF_SECONDS = 0.5
BACKOFF_MOST_SECONDS = 10.0
PRUNE_SECONDS = 3600
STUCK_SECONDS = 180.0
"""Longer than a poll with its retries, and than the slowest handler."""
UNKNOWN = "unknown"
"""The `type` of what has no handler: anybody may write anything there, and a label must have few values."""

Outcome = Literal["handled", "duplicate", "failed", "unreadable"]

HANDLED = Counter("messages_handled_total", "Messages by what became of them.", ["type", "outcome"])
DURATION = Histogram("message_duration_seconds", "From the begin of the transaction to its end.", ["type"])

log = structlog.get_logger(__name__)
tracer = trace.get_tracer(__name__)
_propagator = TraceContextTextMapPropagator()


class Consumer:
    """Hands each message of a queue to the handler of its event's type.

    handlers: event type -> Handler. An event of another type, or a body that is no event, fails.
    visibility_seconds: how long a message stays hidden from other consumers; extended while a handler works.
    retry_seconds: after how long a failed message comes back first; doubled with each further delivery. When its
        deliveries are used up, the queue's redrive policy sets it aside.
    """

    name = "consumer"

    def __init__(
        self,
        database: Database,
        queue_url: str,
        handlers: Mapping[str, Handler],
        visibility_seconds: int,
        *,
        retry_seconds: int = 2,
    ) -> None:
        self._database = database
        self._queue_url = queue_url
        self._handlers = handlers
        self._visibility_seconds = visibility_seconds
        self._retry_seconds = retry_seconds
        self._in_doubt = False
        self._heartbeat = Heartbeat(STUCK_SECONDS)

    def healthy(self) -> bool:
        return self._heartbeat.alive()

    async def run(self, stopping: asyncio.Event) -> None:
        async with aws.sqs(POLL_SECONDS) as client, asyncio.TaskGroup() as beside:
            queue = Queue(
                client, self._queue_url, visibility_seconds=self._visibility_seconds, poll_seconds=POLL_SECONDS
            )
            in_hand = InHand(queue, at_once=self._at_once(), visibility_seconds=self._visibility_seconds)
            chores = [beside.create_task(in_hand.keep_hidden()), beside.create_task(self._prune())]
            async with asyncio.TaskGroup() as work:
                receiving = work.create_task(self._receive(queue, in_hand, work, stopping))
                await stopping.wait()
                await in_hand.give_back_waiting()
                await asyncio.wait([receiving], timeout=LAST_POLL_SECONDS)
                receiving.cancel()
            for chore in chores:
                chore.cancel()

    def _at_once(self) -> int:
        """Leaves connections for requests and for the relay, however slow the handlers are."""
        return min(BATCH_ENTRIES, max(1, self._database.pool_size - SPARE_CONNECTIONS))

    async def _receive(self, queue: Queue, in_hand: InHand, work: asyncio.TaskGroup, stopping: asyncio.Event) -> None:
        failures = 0
        while not stopping.is_set():
            self._heartbeat.beat()
            try:
                if self._in_doubt:
                    await self._database.ping()
                    self._in_doubt = False
                messages = await queue.receive()
            except (*AWS_ERRORS, *DATABASE_ERRORS) as error:
                failures += 1
                log.warning("receiving_failed", reason=type(error).__name__, failures=failures)
                seconds = growing(failures, first_seconds=BACKOFF_SECONDS, most_seconds=BACKOFF_MOST_SECONDS)
                await pause(stopping, jittered(seconds))
                continue
            failures = 0
            read = [(message, _read(message)) for message in messages]
            for message, event in sorted(read, key=lambda pair: pair[1].sequence if pair[1] else 0):
                key = event.aggregate_id if event else message.id
                in_hand.take(work, message, key, partial(self._see_to, message, event))
            if stopping.is_set():
                await in_hand.give_back_waiting()
            await in_hand.room()

    async def _see_to(self, message: Message, event: Event | None) -> int | None:
        """See in_hand.Handle."""
        handler = self._handlers.get(event.type) if event else None
        if event is None or handler is None:
            outcome: Outcome = "unreadable"
            if message.deliveries == 1:
                log.error("message_unreadable", message_id=message.id, event_id=str(event.id) if event else None)
        else:
            started = time.monotonic()
            outcome = await self._handle(message, event, handler)
            DURATION.labels(event.type).observe(time.monotonic() - started)
        self._heartbeat.beat()
        HANDLED.labels(event.type if event and handler else UNKNOWN, outcome).inc()
        if outcome in ("handled", "duplicate"):
            return None
        seconds = growing(message.deliveries, first_seconds=self._retry_seconds, most_seconds=RETRY_MOST_SECONDS)
        return int(seconds)

    async def _handle(self, message: Message, event: Event, handler: Handler) -> Outcome:
        with bound_contextvars(event_id=str(event.id), event_type=event.type, message_id=message.id):
            try:
                with self._span(message, event):
                    async with asyncio.timeout(HANDLER_SECONDS), self._database.transaction() as tx:
                        if not await inbox.first_time(tx, event):
                            return "duplicate"
                        await handler(tx, event)
                        return "handled"
            except ValidationError as error:
                # Its text quotes the data.
                log.error(
                    "message_failed",
                    deliveries=message.deliveries,
                    invalid=[problem["loc"] for problem in error.errors()],
                )
            except Exception:
                log.exception("message_failed", deliveries=message.deliveries)
            # If it is the database that failed, further messages would only use up their deliveries.
            self._in_doubt = True
            return "failed"

    def _span(self, message: Message, event: Event) -> AbstractContextManager[Span]:
        parent = _propagator.extract({TRACEPARENT_ATTRIBUTE: message.traceparent} if message.traceparent else {})
        return tracer.start_as_current_span(
            f"process {event.type}",
            context=parent,
            kind=SpanKind.CONSUMER,
            attributes={
                "messaging.system": "aws_sqs",
                "messaging.operation.type": "process",
                "messaging.message.id": str(event.id),
            },
        )

    async def _prune(self) -> None:
        while True:
            await asyncio.sleep(jittered(PRUNE_SECONDS))
            try:
                await inbox.prune(self._database)
            except DATABASE_ERRORS as error:
                log.warning("inbox_not_pruned", reason=type(error).__name__)


def _read(message: Message) -> Event | None:
    try:
        return Event.model_validate_json(message.body)
    except ValidationError:
        return None
