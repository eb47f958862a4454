"""Handles the events of one queue: the effects of each exactly once, and never half."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

import structlog
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import Counter, Histogram
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from structlog.contextvars import bound_contextvars

from chassis import aws
from chassis.aws import AWS_ERRORS
from chassis.in_flight import Delivery, InFlight
from chassis.messages import TRACEPARENT_ATTRIBUTE, Event
from chassis.pacing import Heartbeat, exponential_backoff, pause, with_jitter
from chassis.queue import Message, Queue
from chassis.request_priority import REQUESTS

Tx_co = TypeVar("Tx_co", covariant=True)
Tx = TypeVar("Tx")
Handler = Callable[[Tx, Event], Awaitable[None]]
"""Does what an event asks for, in the given transaction. Whatever it raises rolls all of it back."""


class Inbox(Protocol[Tx_co]):
    """Where a service keeps its data and remembers what it has handled: both change in one transaction."""

    @property
    def max_concurrency(self) -> int:
        """How many transactions a consumer may have open at the same time."""

    @property
    def max_batch_size(self) -> int:
        """How many messages one transaction may handle."""

    async def handle(self, batch: Sequence[tuple[Event, Handler[Tx_co]]]) -> list[bool]:
        """Hands each event that was not handled before to its handler, in order and all in one transaction.

        For each event: True when it was handled, False when it had been before. Whatever a handler raises comes
        out, and then nothing of the whole batch is left.
        """

    async def ping(self) -> None:
        """Returns when the store answers; raises what went wrong."""

    async def prune(self) -> int:
        """Forgets events that are too old to be delivered again; returns how many."""


POLL_SECONDS = 20
LAST_POLL_SECONDS = 0.3
"""How long a stop waits for the answer to the last poll: messages in a lost answer would stay invisible."""
HANDLER_SECONDS = 60
"""A transaction that takes longer hangs, or should not be one."""
RETRY_MAX_SECONDS = 900
BACKOFF_SECONDS = 0.5
BACKOFF_MAX_SECONDS = 10.0
PRUNE_SECONDS = 3600
STUCK_SECONDS = 180.0
"""Longer than a poll with its retries, and than the slowest handler."""
UNKNOWN = "unknown"
"""The label `type` of messages without a handler: senders could invent any number of types."""

Outcome = Literal["handled", "duplicate", "failed", "unreadable"]

HANDLED = Counter("messages_handled_total", "Messages by what became of them.", ["type", "outcome"])
DURATION = Histogram("message_duration_seconds", "How long the handler took.", ["type"])

log = structlog.get_logger(__name__)
tracer = trace.get_tracer(__name__)
_propagator = TraceContextTextMapPropagator()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task(Generic[Tx]):
    """A message, its event and the handler of that event."""

    message: Message
    event: Event
    handler: Handler[Tx]

    @property
    def ids(self) -> dict[str, str]:
        """The fields of its log lines."""
        return {"event_id": str(self.event.id), "event_type": self.event.type, "message_id": self.message.id}


class Consumer(Generic[Tx]):
    """Hands each message of a queue to the handler of its event's type.

    Up to `inbox.max_batch_size` waiting messages are handled in one transaction. When that transaction fails, it is
    rolled back and each of its messages gets a transaction of its own, so that only the ones at fault fail.

    inbox: SqlInbox(database), or TableInbox(table).
    handlers: event type -> Handler. An event of another type, or a body that is no event, fails.
    visibility_seconds: how long a message stays invisible to other consumers; extended while a handler works.
    retry_seconds: after how long a failed message is delivered again; doubled with each further delivery. After its
        last delivery the queue's redrive policy moves it to the dead-letter queue.
    """

    name = "consumer"

    def __init__(
        self,
        inbox: Inbox[Tx],
        queue_url: str,
        handlers: Mapping[str, Handler[Tx]],
        visibility_seconds: int,
        *,
        retry_seconds: int = 2,
    ) -> None:
        self._inbox = inbox
        self._queue_url = queue_url
        self._handlers = handlers
        self._visibility_seconds = visibility_seconds
        self._retry_seconds = retry_seconds
        self._store_suspect = False
        self._batch_seconds = 0.0
        self._batch_size = inbox.max_batch_size
        self._heartbeat = Heartbeat(STUCK_SECONDS)

    def healthy(self) -> bool:
        return self._heartbeat.alive()

    async def run(self, stopping: asyncio.Event) -> None:
        async with aws.sqs(POLL_SECONDS) as client, asyncio.TaskGroup() as background:
            queue = Queue(
                client, self._queue_url, visibility_seconds=self._visibility_seconds, poll_seconds=POLL_SECONDS
            )
            async with asyncio.TaskGroup() as work:
                in_flight = InFlight(
                    queue,
                    work,
                    self._process_batch,
                    max_concurrency=self._inbox.max_concurrency,
                    max_batch_size=self._inbox.max_batch_size,
                    visibility_seconds=self._visibility_seconds,
                )
                endless = [background.create_task(in_flight.keep_invisible()), background.create_task(self._prune())]
                receiving = work.create_task(self._receive(queue, in_flight, stopping))
                await stopping.wait()
                await in_flight.stop_accepting()
                await asyncio.wait([receiving], timeout=LAST_POLL_SECONDS)
                receiving.cancel()
            for task in endless:
                task.cancel()

    async def _receive(self, queue: Queue, in_flight: InFlight, stopping: asyncio.Event) -> None:
        failures = 0
        while not stopping.is_set():
            self._heartbeat.beat()
            messages = await self._next_messages(queue)
            if messages is None:
                failures += 1
                seconds = exponential_backoff(failures, first_seconds=BACKOFF_SECONDS, max_seconds=BACKOFF_MAX_SECONDS)
                await pause(stopping, with_jitter(seconds))
                continue
            failures = 0
            # In the same order everywhere: two consumers that lock the same rows do not wait for each other.
            await in_flight.add(sorted(map(_parsed, messages), key=_sort_key))
            await in_flight.wait_for_capacity()
            await REQUESTS.yield_to_requests(stopping, self._batch_seconds)

    async def _next_messages(self, queue: Queue) -> list[Message] | None:
        """None when the store or the queue is out of reach."""
        if await self._is_store_down():
            return None
        try:
            return await queue.receive()
        except AWS_ERRORS as error:
            log.warning("receiving_failed", reason=type(error).__name__)
            return None

    async def _process_batch(self, batch: Sequence[Delivery]) -> list[int | None]:
        """See in_flight.ProcessBatch."""
        tasks = {delivery: task for delivery in batch if (task := self._task_of(delivery))}
        outcomes: list[Outcome] = []
        while todo := list(tasks.values())[len(outcomes) :][: self._batch_size]:
            outcomes += await self._handle(todo)
        found = dict(zip(tasks, outcomes, strict=True))
        return [self._concluded(delivery, found.get(delivery, "unreadable")) for delivery in batch]

    def _task_of(self, delivery: Delivery) -> _Task[Tx] | None:
        event, message = delivery.event, delivery.message
        handler = self._handlers.get(event.type) if event else None
        if event is not None and handler is not None:
            return _Task(message=message, event=event, handler=handler)
        if event is not None and message.deliveries == 1:
            no_handler = ["type: has no handler"]
            log.error("message_unreadable", message_id=message.id, event_id=str(event.id), invalid=no_handler)
        return None

    def _concluded(self, delivery: Delivery, outcome: Outcome) -> int | None:
        """Counts the outcome. Returns None when the message is done, else the seconds until its next delivery."""
        readable = delivery.event if outcome != "unreadable" else None
        HANDLED.labels(readable.type if readable else UNKNOWN, outcome).inc()
        if outcome in ("handled", "duplicate"):
            return None
        deliveries = delivery.message.deliveries
        return int(exponential_backoff(deliveries, first_seconds=self._retry_seconds, max_seconds=RETRY_MAX_SECONDS))

    async def _handle(self, tasks: Sequence[_Task[Tx]]) -> list[Outcome]:
        """Handles all of them in one transaction if possible, else each in a transaction of its own."""
        if len(tasks) > 1 and not await self._is_store_down():
            try:
                return await self._in_one_transaction(tasks)
            except Exception as error:
                # Halved: so many messages may collide with another consumer's, or take too long for one transaction.
                self._batch_size = len(tasks) // 2
                self._store_suspect = True
                log.warning("batch_failed", messages=len(tasks), reason=type(error).__name__)
        outcomes: list[Outcome] = []
        while len(outcomes) < len(tasks) and not await self._is_store_down():
            outcomes.append(await self._handle_alone(tasks[len(outcomes)]))
        failed: Outcome = "failed"
        return outcomes + [failed] * (len(tasks) - len(outcomes))

    async def _handle_alone(self, task: _Task[Tx]) -> Outcome:
        try:
            (outcome,) = await self._in_one_transaction([task])
        except ValidationError as error:
            # Its text quotes the data.
            invalid = [problem["loc"] for problem in error.errors()]
            log.error("message_failed", deliveries=task.message.deliveries, invalid=invalid, **task.ids)
        except Exception:
            log.exception("message_failed", deliveries=task.message.deliveries, **task.ids)
        else:
            return outcome
        self._store_suspect = True
        return "failed"

    async def _is_store_down(self) -> bool:
        """Pings the store after a failure: while it is down, each attempt would only use up a delivery of a message."""
        if not self._store_suspect:
            return False
        try:
            await self._inbox.ping()
        except Exception as error:
            log.warning("store_away", reason=type(error).__name__)
            return True
        self._store_suspect = False
        return False

    async def _in_one_transaction(self, tasks: Sequence[_Task[Tx]]) -> list[Outcome]:
        started = time.monotonic()
        try:
            async with asyncio.timeout(HANDLER_SECONDS):
                handled = await self._inbox.handle([(task.event, self._observed(task)) for task in tasks])
        finally:
            self._heartbeat.beat()
            self._batch_seconds = time.monotonic() - started
        if len(tasks) >= self._batch_size:
            self._batch_size = min(self._inbox.max_batch_size, self._batch_size + 1)
        return ["handled" if new else "duplicate" for new in handled]

    def _observed(self, task: _Task[Tx]) -> Handler[Tx]:
        """The handler of the task: timed, part of the publisher's trace, and with the ids in its log lines."""

        async def handle(tx: Tx, event: Event) -> None:
            traceparent = task.message.traceparent
            spanning = tracer.start_as_current_span(
                f"process {event.type}",
                context=_propagator.extract({TRACEPARENT_ATTRIBUTE: traceparent} if traceparent else {}),
                kind=SpanKind.CONSUMER,
                attributes={
                    "messaging.system": "aws_sqs",
                    "messaging.operation.type": "process",
                    "messaging.message.id": str(event.id),
                },
                # The text of an error may quote the data.
                record_exception=False,
                set_status_on_exception=False,
            )
            with spanning as span, bound_contextvars(**task.ids), DURATION.labels(event.type).time():
                try:
                    await task.handler(tx, event)
                except Exception as error:
                    span.set_status(StatusCode.ERROR, type(error).__name__)
                    raise

        return handle

    async def _prune(self) -> None:
        while True:
            await asyncio.sleep(with_jitter(PRUNE_SECONDS))
            try:
                await self._inbox.prune()
            except Exception as error:
                log.warning("inbox_not_pruned", reason=type(error).__name__)


def _parsed(message: Message) -> Delivery:
    try:
        event = Event.model_validate_json(message.body)
    except ValidationError as error:
        event = None
        if message.deliveries == 1:
            log.error("message_unreadable", message_id=message.id, invalid=list(map(_described, error.errors())))
    return Delivery(message, event)


def _described(error: ErrorDetails) -> str:
    """What is wrong and where. Without the value, which may be personal data."""
    return f"{'.'.join(map(str, error['loc'])) or 'body'}: {error['msg']}"


def _sort_key(delivery: Delivery) -> tuple[str, int]:
    return delivery.key, delivery.event.sequence if delivery.event else 0
