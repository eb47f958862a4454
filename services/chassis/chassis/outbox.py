"""The transactional outbox: an event is stored in the transaction of its change, and published after the commit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
import structlog
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import Counter, Gauge
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis import aws, sql
from chassis.aws import AWS_ERRORS
from chassis.database import DATABASE_ERRORS, Database, insert_before_commit, signal_outbox_after_commit
from chassis.messages import EVENT_TYPE_ATTRIBUTE, TRACEPARENT_ATTRIBUTE, Event
from chassis.pacing import Heartbeat, exponential_backoff, pause, wait_for_any, with_jitter
from chassis.request_priority import REQUESTS
from chassis.sql import UtcDateTime

if TYPE_CHECKING:
    from types_aiobotocore_sns import SNSClient
    from types_aiobotocore_sns.type_defs import MessageAttributeValueTypeDef, PublishBatchRequestEntryTypeDef

    _Row = Row[int, str, str, str | None]

MAX_BATCH_BYTES = 256 * 1024
"""What SNS takes in one call, all messages and attributes together."""
ATTRIBUTES_BYTES = 1024
"""More than the attributes of one event can take."""
MAX_BODY_BYTES = MAX_BATCH_BYTES - ATTRIBUTES_BYTES
BATCH_ENTRIES = 10
MAX_CLAIMED = 100

POLL_SECONDS = 1.0
GATHER_SECONDS = 0.03
"""The relay pauses so long after a batch: events that are committed meanwhile share calls and transactions. A single
event does not wait."""
BACKOFF_SECONDS = 0.2
BACKOFF_MAX_SECONDS = 10.0
REFUSED_RETRY_MAX_SECONDS = 300
MEASURE_SECONDS = 5.0
STUCK_SECONDS = 120.0
"""More than a batch can take when every call of it runs into its time-out."""

log = structlog.get_logger(__name__)
PUBLISHED = Counter("outbox_published_total", "Events taken by the topic")
OLDEST_AGE = Gauge("outbox_oldest_age_seconds", "Age of the oldest event that is not published yet; 0 without one")

table = sa.Table(
    "outbox",
    sa.MetaData(),
    sa.Column("position", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("aggregate_id", sql.text(200), nullable=False),
    sa.Column("event_type", sql.text(100), nullable=False),
    sa.Column("body", sql.long_text(), nullable=False),
    sa.Column("traceparent", sql.text(100)),
    sa.Column("created_at", UtcDateTime, nullable=False, server_default=sql.now()),
    sa.Column("refusals", sa.Integer, nullable=False, server_default="0"),
    sa.Column("retry_at", UtcDateTime),
    sa.Index("outbox_aggregate", "aggregate_id", "position"),
)

_earlier = table.alias("earlier")
_CLAIM = (
    sa.select(table.c.position, table.c.event_type, table.c.body, table.c.traceparent)
    .where(
        sa.or_(table.c.retry_at.is_(None), table.c.retry_at <= sql.now()),
        ~sa.exists().where(_earlier.c.aggregate_id == table.c.aggregate_id, _earlier.c.position < table.c.position),
    )
    .order_by(table.c.position)
    .limit(MAX_CLAIMED)
    .with_for_update(of=table, skip_locked=True)
)
_these = sql.one_of(table.c.position, sa.bindparam("positions"))
_DELETE = table.delete().where(_these)
_POSTPONE = (
    table.update()
    .where(_these)
    # In this order: MySQL uses what it has just set.
    .ordered_values(
        (
            table.c.retry_at,
            sql.seconds_from_now(sa.func.least(sa.func.power(2, table.c.refusals), REFUSED_RETRY_MAX_SECONDS)),
        ),
        (table.c.refusals, table.c.refusals + 1),
    )
)
_OLDEST_AGE = sa.select(sql.seconds_since(table.c.created_at)).order_by(table.c.position).limit(1)
_INSERT = table.insert()
_STORED = ("aggregate_id", "event_type", "body", "traceparent")
_PREFIX = "outbox_"
_propagator = TraceContextTextMapPropagator()


class EventTooLarge(ValueError):
    """The event's JSON is larger than MAX_BODY_BYTES."""


async def publish(tx: AsyncConnection, event: Event) -> None:
    """Stores the event in the caller's transaction: it is published if and only if tx commits.

    tx is one of Database.transaction(); the events of it are stored together at its end, see insert_before_commit.
    Events of one aggregate are published in the order of these calls, so call it with the aggregate locked.
    """
    insert_before_commit(tx, _INSERT, _row(event))
    signal_outbox_after_commit(tx)


def published_with(change: sa.FromClause) -> sa.Insert:
    """An INSERT into the outbox as part of a larger statement: stores the event once for each row of `change`.

    It takes the parameters that `parameters(event)` returns. The caller sets Database.outbox_signal after the commit.
    Not for MySQL, which has no INSERT in a common table expression.
    """
    values = {name: sa.bindparam(_PREFIX + name, type_=table.c[name].type) for name in _STORED}
    return table.insert().from_select(list(values), sa.select(*values.values()).select_from(change))


def parameters(event: Event) -> dict[str, Any]:
    """For a statement with `published_with`. Raises EventTooLarge."""
    return {_PREFIX + name: value for name, value in _row(event).items()}


def _row(event: Event) -> dict[str, Any]:
    body = event.to_json()
    if len(body) > MAX_BODY_BYTES:
        raise EventTooLarge(f"event {event.id} ({event.type}) is larger than {MAX_BODY_BYTES} bytes")
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return dict(zip(_STORED, (event.aggregate_id, event.type, body, carrier.get(TRACEPARENT_ATTRIBUTE)), strict=True))


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    """What SNS has done with the events of one call. With an error, nothing is known to be published."""

    published: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    error: Exception | None = None


class Relay:
    """Publishes what the outbox holds: at least once, each aggregate's events in order. Any number may run at once.

    A relay locks the oldest event of each aggregate; other relays skip locked rows. So events of one aggregate are
    published one at a time, and no row by two relays. When a relay is killed, its locks are released and its rows are
    published again.
    """

    name = "relay"

    def __init__(self, database: Database, topic_arn: str) -> None:
        self._database = database
        self._topic_arn = topic_arn
        self._heartbeat = Heartbeat(STUCK_SECONDS)
        self._age_updated_at = -MEASURE_SECONDS

    def healthy(self) -> bool:
        return self._heartbeat.alive()

    async def run(self, stopping: asyncio.Event) -> None:
        async with aws.sns() as client:
            failures = 0
            while not stopping.is_set():
                self._heartbeat.beat()
                self._database.outbox_signal.clear()
                started = time.monotonic()
                try:
                    await self._update_oldest_age()
                    claimed = await self._publish_batch(client)
                except (*AWS_ERRORS, *DATABASE_ERRORS) as error:
                    failures += 1
                    seconds = exponential_backoff(
                        failures, first_seconds=BACKOFF_SECONDS, max_seconds=BACKOFF_MAX_SECONDS
                    )
                    log.warning("publishing_failed", reason=type(error).__name__, detail=str(error), failures=failures)
                    await pause(stopping, with_jitter(seconds))
                else:
                    failures = 0
                    if not claimed:
                        await self._wait_for_events(stopping)
                        continue
                    await REQUESTS.yield_to_requests(stopping, time.monotonic() - started)
                    if claimed < MAX_CLAIMED:
                        await pause(stopping, GATHER_SECONDS)

    async def _publish_batch(self, client: SNSClient) -> int:
        """Claims rows and publishes them; returns how many it claimed.

        Raises the error of the first call that failed, after it has committed what the others have published.
        """
        async with self._database.transaction() as tx:
            rows = (await tx.execute(_CLAIM)).all()
            if not rows:
                return 0
            outcomes = await asyncio.gather(*(self._send(client, batch) for batch in _batches(rows)))
            published = [position for outcome in outcomes for position in outcome.published]
            refused = [position for outcome in outcomes for position in outcome.refused]
            await tx.execute(_DELETE, {"positions": published})
            if refused:
                await tx.execute(_POSTPONE, {"positions": refused})
        PUBLISHED.inc(len(published))
        for outcome in outcomes:
            if outcome.error is not None:
                raise outcome.error
        return len(rows)

    async def _send(self, client: SNSClient, batch: Sequence[_Row]) -> _Outcome:
        try:
            answer = await client.publish_batch(
                TopicArn=self._topic_arn, PublishBatchRequestEntries=[_entry(row) for row in batch]
            )
        except AWS_ERRORS as error:
            return _Outcome(error=error)
        for failure in answer.get("Failed", []):
            log.error("event_refused", position=failure["Id"], code=failure["Code"])
        return _Outcome(
            published=[int(success["Id"]) for success in answer.get("Successful", [])],
            refused=[int(failure["Id"]) for failure in answer.get("Failed", [])],
        )

    async def _wait_for_events(self, stopping: asyncio.Event) -> None:
        """Returns when this process commits an event, or when it is time to look for those of other processes."""
        await wait_for_any(stopping, self._database.outbox_signal, seconds=POLL_SECONDS)

    async def _update_oldest_age(self) -> None:
        if time.monotonic() - self._age_updated_at < MEASURE_SECONDS:
            return
        async with self._database.connection() as connection:
            age = await connection.scalar(_OLDEST_AGE)
        OLDEST_AGE.set(0 if age is None else float(age))
        self._age_updated_at = time.monotonic()


def _retry_seconds(failures: int) -> float:
    return with_jitter(exponential_backoff(failures, first_seconds=BACKOFF_SECONDS, max_seconds=BACKOFF_MAX_SECONDS))


def _batches(rows: Sequence[_Row]) -> Iterator[list[_Row]]:
    """The rows in order, in batches that SNS accepts: at most ten, of at most MAX_BATCH_BYTES together."""
    batch: list[_Row] = []
    room = MAX_BATCH_BYTES
    for row in rows:
        size = len(row.body) + ATTRIBUTES_BYTES
        if batch and (len(batch) == BATCH_ENTRIES or size > room):
            yield batch
            batch, room = [], MAX_BATCH_BYTES
        batch.append(row)
        room -= size
    if batch:
        yield batch


def _entry(row: _Row) -> PublishBatchRequestEntryTypeDef:
    attributes: dict[str, MessageAttributeValueTypeDef] = {
        EVENT_TYPE_ATTRIBUTE: {"DataType": "String", "StringValue": row.event_type}
    }
    if row.traceparent is not None:
        attributes[TRACEPARENT_ATTRIBUTE] = {"DataType": "String", "StringValue": row.traceparent}
    return {"Id": str(row.position), "Message": row.body, "MessageAttributes": attributes}
