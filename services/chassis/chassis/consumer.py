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
from chassis.courtesy import REQUESTS
from chassis.in_hand import Delivery, InHand
from chassis.messages import TRACEPARENT_ATTRIBUTE, Event
from chassis.pacing import Heartbeat, growing, jittered, pause
from chassis.queue import Message, Queue

Tx_co = TypeVar("Tx_co", covariant=True)
Tx = TypeVar("Tx")
Handler = Callable[[Tx, Event], Awaitable[None]]
"""Does what an event asks for, in the given transaction. Whatever it raises rolls all of it back."""


class Inbox(Protocol[Tx_co]):
    """Where a service keeps its data and remembers what it has handled: both change in one transaction."""

    @property
    def at_once(self) -> int:
        """How many transactions a consumer may have open at once."""

    @property
    def together(self) -> int:
        """How many messages may share one of them."""

    async def handle(self, batch: Sequence[tuple[Event, Handler[Tx_co]]]) -> list[bool]:
        """Hands each event that was not handled before to its handler, in order and all in one transaction.

        For each event: True when it was handled, False when it had been before. Whatever a handler raises comes
        out, and then nothing of the whole batch is left.
        """

    async def ping(self) -> None:
        """Returns when the store answers; raises what went wrong."""

    async def prune(self) -> int:
        """Forgets what is so old that no copy of it can come any more; how many events that were."""


POLL_SECONDS = 20
LAST_POLL_SECONDS = 0.3
"""How long a stop waits for the answer to a poll that may be on its way: messages in it would stay hidden."""
HANDLER_SECONDS = 60
"""A transaction that takes longer hangs, or should not be one."""
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
DURATION = Histogram("message_duration_seconds", "How long the handler took.", ["type"])

log = structlog.get_logger(__name__)
tracer = trace.get_tracer(__name__)
_propagator = TraceContextTextMapPropagator()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task(Generic[Tx]):
    """A message and who handles its event."""

    message: Message
    event: Event
    handler: Handler[Tx]

    @property
    def ids(self) -> dict[str, str]:
        """What its lines in the log carry."""
        return {"event_id": str(self.event.id), "event_type": self.event.type, "message_id": self.message.id}


class Consumer(Generic[Tx]):
    """Hands each message of a queue to the handler of its event's type.

    What waits is handled together, as many messages in a transaction as the inbox says. When it fails, nothing of it is
    left and each of them gets a transaction of its own, so that only those fail which cannot be handled.

    inbox: SqlInbox(database), or TableInbox(table).
    handlers: event type -> Handler. An event of another type, or a body that is no event, fails.
    visibility_seconds: how long a message stays hidden from other consumers; extended while a handler works.
    retry_seconds: after how long a failed message comes back first; doubled with each further delivery. When its
        deliveries are used up, the queue's redrive policy sets it aside.
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
        self._in_doubt = False
        self._worked_seconds = 0.0
        self._together = inbox.together
        self._heartbeat = Heartbeat(STUCK_SECONDS)

    def healthy(self) -> bool:
        return self._heartbeat.alive()

    async def run(self, stopping: asyncio.Event) -> None:
        async with aws.sqs(POLL_SECONDS) as client, asyncio.TaskGroup() as beside:
            queue = Queue(
                client, self._queue_url, visibility_seconds=self._visibility_seconds, poll_seconds=POLL_SECONDS
            )
            async with asyncio.TaskGroup() as work:
                in_hand = InHand(
                    queue,
                    work,
                    self._see_to,
                    at_once=self._inbox.at_once,
                    together=self._inbox.together,
                    visibility_seconds=self._visibility_seconds,
                )
                chores = [beside.create_task(in_hand.keep_hidden()), beside.create_task(self._prune())]
                receiving = work.create_task(self._receive(queue, in_hand, stopping))
                await stopping.wait()
                await in_hand.begin_no_more()
                await asyncio.wait([receiving], timeout=LAST_POLL_SECONDS)
                receiving.cancel()
            for chore in chores:
                chore.cancel()

    async def _receive(self, queue: Queue, in_hand: InHand, stopping: asyncio.Event) -> None:
        failures = 0
        while not stopping.is_set():
            self._heartbeat.beat()
            messages = await self._next_messages(queue)
            if messages is None:
                failures += 1
                seconds = growing(failures, first_seconds=BACKOFF_SECONDS, most_seconds=BACKOFF_MOST_SECONDS)
                await pause(stopping, jittered(seconds))
                continue
            failures = 0
            # In the same order everywhere: two consumers that lock the same rows do not wait for each other.
            await in_hand.take(sorted(map(_read, messages), key=_order))
            await in_hand.room()
            await REQUESTS.give_way(stopping, self._worked_seconds)

    async def _next_messages(self, queue: Queue) -> list[Message] | None:
        """None when the store or the queue is away."""
        if await self._is_store_away():
            return None
        try:
            return await queue.receive()
        except AWS_ERRORS as error:
            log.warning("receiving_failed", reason=type(error).__name__)
            return None

    async def _see_to(self, batch: Sequence[Delivery]) -> list[int | None]:
        """See in_hand.Handle."""
        tasks = {delivery: task for delivery in batch if (task := self._task(delivery))}
        outcomes: list[Outcome] = []
        while todo := list(tasks.values())[len(outcomes) :][: self._together]:
            outcomes += await self._handle(todo)
        found = dict(zip(tasks, outcomes, strict=True))
        return [self._conclude(delivery, found.get(delivery, "unreadable")) for delivery in batch]

    def _task(self, delivery: Delivery) -> _Task[Tx] | None:
        event, message = delivery.event, delivery.message
        handler = self._handlers.get(event.type) if event else None
        if event is not None and handler is not None:
            return _Task(message=message, event=event, handler=handler)
        if event is not None and message.deliveries == 1:
            no_handler = ["type: has no handler"]
            log.error("message_unreadable", message_id=message.id, event_id=str(event.id), invalid=no_handler)
        return None

    def _conclude(self, delivery: Delivery, outcome: Outcome) -> int | None:
        """Counts it; the seconds after which the message shall come again."""
        readable = delivery.event if outcome != "unreadable" else None
        HANDLED.labels(readable.type if readable else UNKNOWN, outcome).inc()
        if outcome in ("handled", "duplicate"):
            return None
        deliveries = delivery.message.deliveries
        return int(growing(deliveries, first_seconds=self._retry_seconds, most_seconds=RETRY_MOST_SECONDS))

    async def _handle(self, tasks: Sequence[_Task[Tx]]) -> list[Outcome]:
        """In one transaction if possible, else in one each."""
        if len(tasks) > 1 and not await self._is_store_away():
            try:
                return await self._in_one_transaction(tasks)
            except Exception as error:
                # Halved, as they may be in the way of another consumer's, or take too long all together.
                self._together = len(tasks) // 2
                self._in_doubt = True
                log.warning("batch_failed", messages=len(tasks), reason=type(error).__name__)
        outcomes: list[Outcome] = []
        while len(outcomes) < len(tasks) and not await self._is_store_away():
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
        self._in_doubt = True
        return "failed"

    async def _is_store_away(self) -> bool:
        """Asks it only after a failure: were it away, further messages would only use up their deliveries."""
        if not self._in_doubt:
            return False
        try:
            await self._inbox.ping()
        except Exception as error:
            log.warning("store_away", reason=type(error).__name__)
            return True
        self._in_doubt = False
        return False

    async def _in_one_transaction(self, tasks: Sequence[_Task[Tx]]) -> list[Outcome]:
        begun = time.monotonic()
        try:
            async with asyncio.timeout(HANDLER_SECONDS):
                handled = await self._inbox.handle([(task.event, self._observed(task)) for task in tasks])
        finally:
            self._heartbeat.beat()
            self._worked_seconds = time.monotonic() - begun
        if len(tasks) >= self._together:
            self._together = min(self._inbox.together, self._together + 1)
        return ["handled" if new else "duplicate" for new in handled]

    def _observed(self, task: _Task[Tx]) -> Handler[Tx]:
        """The handler of the task, in the trace of the message's publisher, with its ids in the log, and timed."""

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
            await asyncio.sleep(jittered(PRUNE_SECONDS))
            try:
                await self._inbox.prune()
            except Exception as error:
                log.warning("inbox_not_pruned", reason=type(error).__name__)


def _read(message: Message) -> Delivery:
    try:
        event = Event.model_validate_json(message.body)
    except ValidationError as error:
        event = None
        if message.deliveries == 1:
            log.error("message_unreadable", message_id=message.id, invalid=list(map(_told, error.errors())))
    return Delivery(message, event)


def _told(error: ErrorDetails) -> str:
    """What is wrong and where, without the value: it may be anybody's data."""
    return f"{'.'.join(map(str, error['loc'])) or 'body'}: {error['msg']}"


def _order(delivery: Delivery) -> tuple[str, int]:
    return delivery.key, delivery.event.sequence if delivery.event else 0
